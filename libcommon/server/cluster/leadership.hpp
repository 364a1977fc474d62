// Whether this server may command shards. One that stands alone always may; one of several while its lease
// lasts, which it judges by a clock of its own that goes on while the machine sleeps.
#pragma once

#include <ctime>

#include "base/types.hpp"

namespace smaster::server {

/// Since the machine was started, suspended or not.
[[nodiscard]] inline std::chrono::nanoseconds since_boot() {
  timespec time{};
  ::clock_gettime(CLOCK_BOOTTIME, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

class Leadership {
 public:
  static constexpr auto kForGood = std::chrono::nanoseconds::max();

  /// Asked before each thing that a shard is told.
  [[nodiscard]] bool held() const { return begun_ && leased(); }
  [[nodiscard]] bool leased() const { return until_ == kForGood || since_boot() < until_; }
  void lease_until(std::chrono::nanoseconds until) { until_ = until; }
  /// What must be known of the fleet is known.
  void begin() { begun_ = true; }
  void lose() { begun_ = false; }
  [[nodiscard]] std::chrono::nanoseconds until() const { return until_; }

 private:
  std::chrono::nanoseconds until_{0};
  bool begun_ = false;
};

}  // namespace smaster::server
