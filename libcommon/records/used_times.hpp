// Which of a shard's `authorization` headers were used: each works once, for good. Source: WIRE.md, "The
// shard protocol". It is part of the shard's row in the registry, and on disk before the header's session
// exists: so a used header is refused after a restart and by the next leader, too.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/types.hpp"

namespace smaster::fleet {

/// The times that accepted headers were signed with, and one time up to which all others count as used.
///
/// "Later than the last one" would need less, but headers do not come in order: a shard's processes sign for
/// themselves, agents sign ahead, and a clock that is set back by minutes would shut its shard out for as
/// long. With the times themselves every header that was not used is good, whichever way the clock went.
class UsedTimes {
 public:
  /// Of one shard; when more are used within the window, the oldest ones are only known as "up to".
  static constexpr std::size_t kMost = 64;

  /// Whether a header with this time must be refused.
  [[nodiscard]] bool contains(Time time) const;
  /// Uses the time; false when it is used already. Times before `oldest` are not accepted any more, and need
  /// not be kept one by one.
  [[nodiscard]] bool insert(Time time, Time oldest);

  /// As the registry has it; an empty text for none.
  [[nodiscard]] std::string text() const;
  [[nodiscard]] static UsedTimes parse(std::string_view text);

  bool operator==(const UsedTimes&) const = default;

 private:
  Time all_up_to_{};
  std::vector<Time> times_;  ///< in order
};

}  // namespace smaster::fleet
