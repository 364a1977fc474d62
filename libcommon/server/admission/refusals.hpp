// The handshakes that were refused lately, one for each reason, for `smaster doctor`.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "base/types.hpp"

namespace smaster::server {

class Refusals {
 public:
  /// How long a refusal counts as recent.
  static constexpr Millis kRecent{600'000};
  struct Refusal {
    std::string why;  ///< of the last one; names the shard and the address
    Time at{};
    std::size_t count = 0;  ///< since there was none for kRecent
  };

  /// `reason`: a word of few, which outlives this; as in Metrics::handshakes.
  void note(std::string_view reason, std::string why, Time now) {
    auto& last = last_[reason];
    last.count = now - last.at > kRecent ? 1 : last.count + 1;
    last.at = now;
    last.why = std::move(why);
  }
  /// The last refusal for this reason, if it was recent.
  [[nodiscard]] const Refusal* recent(std::string_view reason, Time now) const {
    const auto found = last_.find(reason);
    return found == last_.end() || now - found->second.at > kRecent ? nullptr : &found->second;
  }

 private:
  std::map<std::string_view, Refusal> last_;
};

}  // namespace smaster::server
