// The wall clock, read in one place.
#pragma once

#include "base/types.hpp"

namespace smaster::server {

[[nodiscard]] inline Time wall_clock() {
  return std::chrono::time_point_cast<Millis>(std::chrono::system_clock::now());
}

}  // namespace smaster::server
