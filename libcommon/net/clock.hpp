// Access to the clocks. Pure code gets the time as an argument instead.
#pragma once

#include "base/types.hpp"

namespace smaster::net {

[[nodiscard]] inline Time wall_clock() {
  return std::chrono::time_point_cast<Millis>(std::chrono::system_clock::now());
}

[[nodiscard]] inline Instant now() { return std::chrono::steady_clock::now(); }

/// The wall clock at the first call, advanced by the monotonic clock. Used to measure silence, so that
/// setting the machine's clock does not make shards look dead.
[[nodiscard]] inline Time fleet_clock() {
  static const auto wall = wall_clock();
  static const auto start = now();
  return wall + std::chrono::duration_cast<Millis>(now() - start);
}

}  // namespace smaster::net
