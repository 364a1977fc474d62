// How long the bots that cannot ask took from their start until they had logged in, by the kind of their
// program. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "base/types.hpp"

namespace smaster::fleet {

class LoginTimes {
 public:
  /// Starts that are remembered of a kind, and how many of them make a rule.
  static constexpr std::size_t kKept = 8;
  static constexpr std::size_t kEnough = 3;
  /// Kinds that are remembered, the last ones used: one for each bot program of a fleet.
  static constexpr std::size_t kKinds = 64;

  void add(const std::string& kind, Millis took);
  /// After how long one of this kind has surely logged in, or will not: three times the longest that is
  /// remembered, and two seconds, since a host may be busier than before. Nothing: too little is known.
  [[nodiscard]] std::optional<Millis> patience(const std::string& kind) const;

 private:
  struct Times {
    std::array<Millis, kKept> last{};
    std::size_t added = 0;
    std::uint64_t used = 0;  ///< `uses_` when one was added last
  };
  std::uint64_t uses_ = 0;
  std::map<std::string, Times> kinds_;
};

}  // namespace smaster::fleet
