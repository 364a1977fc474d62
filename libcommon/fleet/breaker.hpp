// Bots that fail again and again are parked, ever longer, so that they do not use up the logins that Discord
// allows in a day: using up all of them resets the bot's token. Pure: time comes in.
#pragma once

#include <map>
#include <optional>

#include "base/types.hpp"

namespace smaster::fleet {

class Breaker {
 public:
  /// A bot that ran for so long before it died has not failed.
  static constexpr Millis kStable{600'000};
  /// So many failures in a row are borne; the next one's pause doubles with each, from the first to the
  /// longest.
  static constexpr unsigned kBorne = 5;
  static constexpr Millis kFirstPause{60'000};
  static constexpr Millis kLongestPause{3'600'000};

  /// The bot with this id died by itself after it had run for `lived`. Returns how long it is parked; zero:
  /// it may try again.
  Millis failed(ShardId id, Millis lived, Time now);
  /// Until when it is parked; nothing: it is not.
  [[nodiscard]] std::optional<Time> parked_until(ShardId id, Time now) const;
  /// It may try again now, as if nothing had happened. Whether it was parked.
  bool release(ShardId id, Time now);

 private:
  struct Failures {
    unsigned in_a_row = 0;
    Time until{};
  };
  std::map<ShardId, Failures> failures_;
};

}  // namespace smaster::fleet
