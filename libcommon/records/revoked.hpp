// The headers that shards had used before they were revoked: whoever gets such a shard's name and key again,
// as by an import, must not be taken in by them. No clock here.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/types.hpp"
#include "records/used_times.hpp"

namespace smaster::fleet {

class Revoked {
 public:
  void add(const ShardName& name, const UsedTimes& used, Time now);
  /// What was used under this name. Those revoked before `oldest`, whose headers are too old by now, are
  /// forgotten.
  [[nodiscard]] UsedTimes used(const ShardName& name, Time oldest);

  /// As the store has it: a line each.
  [[nodiscard]] std::string text() const;
  [[nodiscard]] static Revoked parse(std::string_view text);

 private:
  struct Entry {
    UsedTimes used;
    Time at;
  };
  std::map<ShardName, Entry> entries_;
};

}  // namespace smaster::fleet
