// The clocks, read in one place; what is pure gets the time as an argument.
#pragma once

#include "base/types.hpp"

namespace smaster::net {

[[nodiscard]] inline Time wall_clock() {
  return std::chrono::time_point_cast<Millis>(std::chrono::system_clock::now());
}

[[nodiscard]] inline Instant now() { return std::chrono::steady_clock::now(); }

/// The wall clock as it was at the first call, and since then as fast as the monotonic one: silence is
/// measured by it, and setting the machine's clock must not make shards look dead.
[[nodiscard]] inline Time fleet_clock() {
  static const auto wall = wall_clock();
  static const auto start = now();
  return wall + std::chrono::duration_cast<Millis>(now() - start);
}

}  // namespace smaster::net
