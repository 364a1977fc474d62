// The clocks of the event loop. Pure code gets the time as an argument instead; what runs in other threads
// and processes reads the machine's clocks.
#pragma once

#include <atomic>
#include <ctime>

#include "base/types.hpp"

namespace smaster::net {

/// std::chrono::steady_clock, and for tests, which would have to wait for it, what they have added to it. All
/// clocks here advance by that.
struct Clock {
  using duration = Instant::duration;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = Instant;
  static constexpr bool is_steady = true;

  [[nodiscard]] static Instant now() noexcept { return std::chrono::steady_clock::now() + added(); }
  [[nodiscard]] static duration added() noexcept { return duration(added_.load(std::memory_order_relaxed)); }
  /// For tests. An event loop notices at its next timer.
  static void advance(duration by) noexcept { added_.fetch_add(by.count(), std::memory_order_relaxed); }

 private:
  static inline std::atomic<rep> added_ = 0;
};

[[nodiscard]] inline Instant now() { return Clock::now(); }

[[nodiscard]] inline Time wall_clock() {
  return std::chrono::time_point_cast<Millis>(std::chrono::system_clock::now() + Clock::added());
}

/// The wall clock at the first call, advanced by the monotonic clock. Used to measure silence, so that
/// setting the machine's clock does not make shards look dead.
[[nodiscard]] inline Time fleet_clock() {
  static const auto wall = wall_clock();
  static const auto start = now();
  return wall + std::chrono::duration_cast<Millis>(now() - start);
}

/// Time since the machine's boot, including suspension.
[[nodiscard]] inline std::chrono::nanoseconds since_boot() {
  timespec time{};
  ::clock_gettime(CLOCK_BOOTTIME, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec) + Clock::added();
}

}  // namespace smaster::net
