// Which of a host's bots may boot now. Bots that ask before they log in are all to be started at once, and
// together they would take the processors from each other: all would ask late, the first as well as the last.
// So few boot at a time, those with the lowest shard id first, which Discord takes first, too. Pure: time
// comes in.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "base/types.hpp"

namespace smaster::agent {

/// Whom the gate admits.
class BootOwner {
 public:
  virtual ~BootOwner() = default;
  /// It waited, and may boot now.
  virtual void may_boot() = 0;
};

class BootGate {
 public:
  /// A bot that has not asked to log in after so long waits for something else than a processor.
  static constexpr Millis kLongestBoot{3'000};

  /// `at_once`: how many boot at a time, from 1.
  explicit BootGate(std::size_t at_once) : at_once_(at_once) {}

  /// From now on bots may have to wait: they ask before they log in. The start of one that does not ask had
  /// its turn, and its login is expected in time.
  void close() { closed_ = true; }
  /// Whether the bot, whose lowest id is `first`, may boot now. Else `admit` names it; asking again changes
  /// nothing.
  [[nodiscard]] bool enter(BootOwner& bot, ShardId first, Instant now);
  /// It has booted, has ended, or is not to be started any more.
  void leave(BootOwner& bot);
  /// Who has waited and may boot now.
  [[nodiscard]] std::vector<BootOwner*> admit(Instant now);
  /// When `admit` may have somebody to name, if ever; in the past: now.
  [[nodiscard]] std::optional<Instant> deadline() const;

 private:
  void forget_slow(Instant now);

  std::size_t at_once_;
  bool closed_ = false;
  std::map<BootOwner*, Instant> booting_;  ///< since when
  std::set<std::pair<ShardId, BootOwner*>> waiting_;
};

}  // namespace smaster::agent
