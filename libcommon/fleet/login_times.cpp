#include "fleet/login_times.hpp"

#include <algorithm>

namespace smaster::fleet {

void LoginTimes::add(const std::string& kind, Millis took) {
  if (kind.empty()) return;
  if (kinds_.size() >= kKinds && !kinds_.contains(kind)) {
    kinds_.erase(std::min_element(kinds_.begin(), kinds_.end(), [](const auto& a, const auto& b) {
      return a.second.used < b.second.used;
    }));
  }
  auto& times = kinds_[kind];
  times.used = ++uses_;
  times.last[times.added++ % kKept] = took;
}

std::optional<Millis> LoginTimes::patience(const std::string& kind) const {
  const auto found = kinds_.find(kind);
  if (found == kinds_.end() || found->second.added < kEnough) return std::nullopt;
  constexpr Millis kMargin{2'000};
  return 3 * *std::max_element(found->second.last.begin(), found->second.last.end()) + kMargin;
}

}  // namespace smaster::fleet
