// Whether this server may command shards: always without a shared store, else while its lease lasts. The
// lease is measured with a clock that continues while the machine is suspended.
#pragma once

#include "base/types.hpp"
#include "net/clock.hpp"

namespace smaster::server {

class Leadership {
 public:
  static constexpr auto kForGood = std::chrono::nanoseconds::max();

  /// True if this server may command shards. Checked before each message to a shard.
  [[nodiscard]] bool held() const { return begun_ && leased(); }
  [[nodiscard]] bool leased() const { return until_ == kForGood || net::since_boot() < until_; }
  void lease_until(std::chrono::nanoseconds until) { until_ = until; }
  /// The fleet's data is loaded: with a lease, this server may command.
  void begin() { begun_ = true; }
  void lose() { begun_ = false; }
  [[nodiscard]] std::chrono::nanoseconds until() const { return until_; }

 private:
  std::chrono::nanoseconds until_{0};
  bool begun_ = false;
};

}  // namespace smaster::server
