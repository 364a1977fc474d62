// Waiting longer after each failure in a row, with jitter so that many who failed together do not try again
// together. Pure: the randomness comes in.
#pragma once

#include <algorithm>

#include "base/types.hpp"

namespace smaster {

class Backoff {
 public:
  /// The first pause and the longest; each is twice the one before.
  Backoff(Millis first, Millis most) : first_(first), most_(most) {}

  /// The next pause: between half and all of its turn's length. `random`: any number, evenly distributed.
  [[nodiscard]] Millis next(std::uint64_t random) {
    auto whole = first_;
    for (unsigned i = 0; i < failures_ && whole < most_; ++i) whole *= 2;
    whole = std::min(whole, most_);
    ++failures_;
    const auto half = whole.count() / 2;
    return Millis{whole.count() - static_cast<std::int64_t>(random % static_cast<std::uint64_t>(half + 1))};
  }
  void reset() { failures_ = 0; }
  /// Failures in a row so far.
  [[nodiscard]] unsigned failures() const { return failures_; }

 private:
  Millis first_;
  Millis most_;
  unsigned failures_ = 0;
};

}  // namespace smaster
