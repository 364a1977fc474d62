// A clock that includes the time during which the machine is suspended.
#pragma once

#include <ctime>

#include "base/types.hpp"

namespace smaster {

/// CLOCK_BOOTTIME: monotonic, and advances while the machine is suspended.
struct BootClock {
  using duration = Millis;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<BootClock>;
  static constexpr bool is_steady = true;

  [[nodiscard]] static time_point now() noexcept {
    timespec now{};
    ::clock_gettime(CLOCK_BOOTTIME, &now);
    return time_point(Millis{std::int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000});
  }
};

using BootTime = BootClock::time_point;

}  // namespace smaster
