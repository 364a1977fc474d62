// The statuses of the last hours, in memory, packed. Knows no disk: what is new is handed out for whoever
// writes.
#pragma once

#include <deque>
#include <functional>
#include <string>
#include <unordered_map>
#include <vector>

#include "fleet/shard_info.hpp"

namespace smaster::fleet {

/// A packed status of one shard at one moment.
struct Sample {
  ShardName shard;
  Time at;
  std::string packed;
};

class History {
 public:
  /// Adds a status received at `now`; samples older than `length` go. `unsaved` hands it out.
  void add(const ShardName& shard, const ShardStatus& status, Time now, Millis length);
  /// Adds what was saved before, which may come in after newer samples.
  void restore(Sample sample);
  /// The samples added since the last call.
  [[nodiscard]] std::vector<Sample> take_unsaved();
  /// Puts back what could not be written.
  void put_back(std::vector<Sample> samples);
  /// Calls `visit` with each sample of the shard later than `since`, oldest first.
  void each(const ShardName& shard, Time since, const std::function<void(const ShardStatus&)>& visit) const;
  void forget(const ShardName& shard) { shards_.erase(shard); }

 private:
  struct Entry {
    Time at;
    std::string packed;
  };
  std::unordered_map<ShardName, std::deque<Entry>> shards_;
  std::vector<Sample> unsaved_;
};

}  // namespace smaster::fleet
