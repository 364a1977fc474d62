// Who is asked for a status when: a ring of connected shards, gone round once an interval, so that the
// questions leave evenly. Pure: time comes in.
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

  /// The shards to ask now, at most so many: the rest is due at once again. `disperse`: spread over the
  /// interval; otherwise all at its start.
  [[nodiscard]] std::vector<ShardName> due(Instant now, Millis interval, bool disperse, std::size_t most);

  /// When `due` has something to say again, at the earliest; nothing while the ring is empty.
  [[nodiscard]] std::optional<Instant> next(Instant now, Millis interval, bool disperse) const;

 private:
  std::set<ShardName> ring_;
  std::optional<ShardName> last_;   ///< the ring goes on behind it
  std::optional<Instant> counted_;  ///< up to when `credit_` was counted
  double credit_ = 0;               ///< shards that may be asked
};

}  // namespace smaster::fleet
