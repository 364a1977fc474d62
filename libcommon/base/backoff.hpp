// Exponential backoff with jitter: many clients that fail together must not retry together. Pure: randomness
// is passed in.
#pragma once

#include <algorithm>

#include "base/types.hpp"

namespace smaster {

class Backoff {
 public:
  /// `first`: the first pause, doubled after each failure; `most`: the longest.
  Backoff(Millis first, Millis most) : first_(first), most_(most) {}

  /// The next pause: between 50 % and 100 % of the current length. `random`: any uniformly distributed
  /// number.
  [[nodiscard]] Millis next(std::uint64_t random) {
    auto whole = first_;
    for (unsigned i = 0; i < failures_ && whole < most_; ++i) whole *= 2;
    whole = std::min(whole, most_);
    ++failures_;
    const auto half = whole.count() / 2;
    return Millis{whole.count() - static_cast<std::int64_t>(random % static_cast<std::uint64_t>(half + 1))};
  }
  void reset() { failures_ = 0; }
  /// Consecutive failures so far.
  [[nodiscard]] unsigned failures() const { return failures_; }

 private:
  Millis first_;
  Millis most_;
  unsigned failures_ = 0;
};

}  // namespace smaster
