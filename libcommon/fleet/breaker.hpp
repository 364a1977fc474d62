// A circuit breaker for bots that fail repeatedly: they are parked for increasing times, to save the daily
// login limit. Exceeding that limit resets the bot's token. Pure: time is passed in.
#pragma once

#include <map>
#include <optional>

#include "base/types.hpp"

namespace smaster::fleet {

class Breaker {
 public:
  /// A death after at least this time counts as the first failure of a new row.
  static constexpr Millis kStable{600'000};
  /// Number of consecutive failures without a pause. After that the pause doubles with each failure, from
  /// kFirstPause to kLongestPause.
  static constexpr unsigned kBorne = 5;
  static constexpr Millis kFirstPause{60'000};
  static constexpr Millis kLongestPause{3'600'000};

  /// Records that the bot of this id died, after it had run for `lived`. Returns the pause; zero: it may
  /// restart.
  Millis failed(ShardId id, Millis lived, Time now);
  /// End of the pause; nullopt: not parked.
  [[nodiscard]] std::optional<Time> parked_until(ShardId id, Time now) const;
  /// Ends the pause and resets the failures. Returns true if it was parked.
  bool release(ShardId id, Time now);

 private:
  struct Failures {
    unsigned in_a_row = 0;
    Time until{};
  };
  std::map<ShardId, Failures> failures_;
};

}  // namespace smaster::fleet
