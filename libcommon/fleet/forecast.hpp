// Predicts the planner's steps towards another goal, assuming that nothing fails: runs it on a copy of the
// fleet in simulated time. Pure.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "fleet/identify.hpp"
#include "fleet/planner.hpp"

namespace smaster::fleet {

/// Assumed time from a login to READY.
inline constexpr Millis kUsualStart{5'000};

struct Move {
  Millis at{0};  ///< time of its start or stop, from now
  ShardName shard;
  std::string host;
  Assignment from;
  Assignment to;  ///< unbound: stopped
};

struct Forecast {
  std::vector<Move> moves;
  std::int64_t logins = 0;
  std::int64_t unsure = 0;                  ///< those of bots that do not say when they are READY
  Millis unsure_takes{0};                   ///< after this time such a bot is taken for logged in
  Millis takes{0};                          ///< time until the last one is up
  Progress end;                             ///< state of the fleet at the end
  std::map<std::string, std::size_t> stay;  ///< number of ids that stay on drained hosts, by label
  /// Number of ids that connected shards on drained hosts could have, were these not drained; by label.
  std::map<std::string, std::int64_t> drained_room;
};

[[nodiscard]] Forecast forecast(std::vector<Seat> seats, const PlanSettings& settings, IdentifyQueue queue,
                                Time now);

}  // namespace smaster::fleet
