#include "fleet/breaker.hpp"

#include <algorithm>

namespace smaster::fleet {

Millis Breaker::failed(ShardId id, Millis lived, Time now) {
  auto& failures = failures_[id];
  failures.in_a_row = lived >= kStable ? 1 : failures.in_a_row + 1;
  if (failures.in_a_row <= kBorne) return Millis{0};
  constexpr unsigned kMostDoublings = 16;
  const auto pause = kFirstPause * (1 << std::min(failures.in_a_row - kBorne - 1, kMostDoublings));
  failures.until = now + std::min<Millis>(pause, kLongestPause);
  return failures.until - now;
}

std::optional<Time> Breaker::parked_until(ShardId id, Time now) const {
  const auto found = failures_.find(id);
  return found != failures_.end() && found->second.until > now ? std::optional(found->second.until)
                                                               : std::nullopt;
}

bool Breaker::release(ShardId id, Time now) {
  const bool parked = parked_until(id, now).has_value();
  failures_.erase(id);
  return parked;
}

}  // namespace smaster::fleet
