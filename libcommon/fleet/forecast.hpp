// What the planner will do about another goal, step by step, when everything goes well: it is run on a copy
// of the fleet, in time of its own. Pure.
#pragma once

#include <string>
#include <vector>

#include "fleet/identify.hpp"
#include "fleet/planner.hpp"

namespace smaster::fleet {

/// A start is taken to last so long, from the login to being ready.
inline constexpr Millis kUsualStart{5'000};

struct Move {
  Millis at{0};  ///< from now, when it starts or stops
  ShardName shard;
  std::string host;
  Assignment from;
  Assignment to;  ///< unbound: it stops
};

struct Forecast {
  std::vector<Move> moves;
  std::int64_t logins = 0;
  Millis takes{0};  ///< until the last one is up
  Progress end;     ///< how it looks then
};

[[nodiscard]] Forecast forecast(std::vector<Seat> seats, const PlanSettings& settings, IdentifyQueue queue,
                                Time now);

}  // namespace smaster::fleet
