// The clocks, read in one place; what is pure gets the time as an argument.
#pragma once

#include "base/types.hpp"

namespace smaster::net {

[[nodiscard]] inline Time wall_clock() {
  return std::chrono::time_point_cast<Millis>(std::chrono::system_clock::now());
}

[[nodiscard]] inline Instant now() { return std::chrono::steady_clock::now(); }

}  // namespace smaster::net
