// Identifies the agent that uses a shard's config, and detects two shards that share a config and replace
// each other. Pure: time is passed in.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "base/types.hpp"

namespace smaster::fleet {

/// The agent that has a shard's slot, or had it last. Shards without an agent have no identity.
struct Holder {
  std::string instance;  ///< random id of the config file
  std::string boot;      ///< the kernel's random id of this boot
  std::string machine;   ///< host name, for people
  Millis term{0};        ///< the lease term it was given: its bot ends after this time without contact
  bool left = false;     ///< nobody has it: the last agent has left, and its bot had ended

  [[nodiscard]] bool known() const { return !instance.empty(); }
  /// True for the same config in the same boot of a machine, where the config lock allows only one agent.
  [[nodiscard]] bool is(const Holder& other) const {
    return instance == other.instance && boot == other.boot;
  }
  bool operator==(const Holder&) const = default;
};

/// Limits a term given by an agent to a sensible range.
[[nodiscard]] Millis clamp_term(std::int64_t ms);
/// Text for stores; empty if no agent is known.
[[nodiscard]] std::string to_text(const Holder& holder);
/// Parses that text, or the data an agent sends with CONNECT. Invalid characters are removed.
[[nodiscard]] Holder parse_holder(std::string_view text);

/// Another shard with the same config, when it was last seen.
struct Duplicate {
  std::string machine;  ///< empty: unknown, for a shard without an agent
  std::string address;
  Time seen{};
  bool refused = false;  ///< an agent that was refused and waits; false: both shards replace each other
};

/// How long a duplicate is shown after it was last seen.
inline constexpr Millis kDuplicateShown{120'000};

/// Counts how often a shard's live connection is replaced. A single shard on a bad network causes that, too,
/// but rarely several times a minute.
class Replacements {
 public:
  /// Replacements within the window that indicate a duplicate: A, B, A, B.
  static constexpr std::size_t kMany = 3;
  static constexpr Millis kWithin{60'000};

  /// Counts one replacement; returns true if there were kMany.
  bool add(Time now);

 private:
  std::array<Time, kMany - 1> last_{};  ///< times of the previous replacements
  std::size_t next_ = 0;
};

}  // namespace smaster::fleet
