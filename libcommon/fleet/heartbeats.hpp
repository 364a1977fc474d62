// The schedule of status requests: a ring of connected shards, passed once per interval, so that requests are
// spread evenly. Pure: time is passed in.
#pragma once

#include <cstddef>
#include <optional>
#include <set>
#include <vector>

#include "base/types.hpp"

namespace smaster::fleet {

class HeartbeatRing {
 public:
  void join(const ShardName& shard) { ring_.insert(shard); }
  void leave(const ShardName& shard) { ring_.erase(shard); }

  /// Returns the shards to ask now, at most `most`; any further ones remain due. `disperse`: spread over the
  /// interval; otherwise all at its start.
  [[nodiscard]] std::vector<ShardName> due(Instant now, Millis interval, bool disperse, std::size_t most);

  /// The earliest time when `due` returns shards again; nullopt if the ring is empty.
  [[nodiscard]] std::optional<Instant> next(Instant now, Millis interval, bool disperse) const;

 private:
  std::set<ShardName> ring_;
  std::optional<ShardName> last_;   ///< the last shard that was asked
  std::optional<Instant> counted_;  ///< time up to which `credit_` was computed
  double credit_ = 0;               ///< number of shards that may be asked
};

}  // namespace smaster::fleet
