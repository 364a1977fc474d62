// The used `authorization` headers of a shard: each is accepted only once. Source: WIRE.md, "The shard
// protocol". Part of the registry row, and persisted before the header's session is opened. So a used header
// is also refused after a restart, and by the next leader.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/types.hpp"

namespace smaster::fleet {

/// The times of used headers, plus a time up to which all headers count as used.
///
/// "Later than the last one" would need less memory, but headers do not arrive in order: processes of a shard
/// sign independently, and agents sign in advance. Also, a clock that is set back would lock its shard out
/// for that time. With single times, every unused header is valid, whatever the clock did.
class UsedTimes {
 public:
  /// Maximum number of times per shard. If more are used within the window, the oldest are merged into
  /// all_up_to_.
  static constexpr std::size_t kMost = 64;

  /// True if a header with this time must be refused.
  [[nodiscard]] bool contains(Time time) const;
  /// Marks a time as used; false if it was used before. Times before `oldest` are not accepted any more, so
  /// they are merged into all_up_to_.
  [[nodiscard]] bool insert(Time time, Time oldest);

  /// Text for the registry; empty if nothing was used.
  [[nodiscard]] std::string text() const;
  [[nodiscard]] static UsedTimes parse(std::string_view text);

  bool operator==(const UsedTimes&) const = default;

 private:
  Time all_up_to_{};
  std::vector<Time> times_;  ///< sorted
};

}  // namespace smaster::fleet
