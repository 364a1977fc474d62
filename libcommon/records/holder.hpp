// Who uses a shard's config, as agents say it of themselves, and whether two shards with one config take
// turns. Pure: the time comes in.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "base/types.hpp"

namespace smaster::fleet {

/// An agent that has a shard's place, or had it last. Unmodified shards have no identity.
struct Holder {
  std::string instance;  ///< a random id of the config's place
  std::string boot;      ///< the kernel's random id of this boot
  std::string machine;   ///< its name, for people
  Millis term{0};        ///< its bot ends after so long without us, whatever the settings say by now

  [[nodiscard]] bool known() const { return !instance.empty(); }
  /// The same config in the same boot of the same machine: there a lock lets only one agent run.
  [[nodiscard]] bool is(const Holder& other) const {
    return instance == other.instance && boot == other.boot;
  }
  bool operator==(const Holder&) const = default;
};

/// A time that an agent gives as its term, within reason.
[[nodiscard]] Millis clamp_term(std::int64_t ms);
/// As stores have it; empty for none.
[[nodiscard]] std::string to_text(const Holder& holder);
/// From that, or from what an agent says when it connects; characters that do not belong there are left out.
[[nodiscard]] Holder parse_holder(std::string_view text);

/// Another shard with the same config, as was last seen.
struct Duplicate {
  std::string machine;  ///< empty: an unmodified shard does not say it
  std::string address;
  Time seen{};
  bool refused = false;  ///< an agent, which waits; otherwise both run in turns
};

/// How long a duplicate that is not seen again is shown.
inline constexpr Millis kDuplicateShown{120'000};

/// Counts how often a shard's live connection is replaced by another one. One shard whose connection breaks
/// does that too, but rarely several times in a minute.
class Replacements {
 public:
  static constexpr std::size_t kMany = 3;  ///< A, B, A, B
  static constexpr Millis kWithin{60'000};

  /// One more; returns whether there were many.
  bool add(Time now);

 private:
  std::array<Time, kMany - 1> last_{};  ///< of those before
  std::size_t next_ = 0;
};

}  // namespace smaster::fleet
