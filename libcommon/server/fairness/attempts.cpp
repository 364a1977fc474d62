#include "server/fairness/attempts.hpp"

#include <algorithm>
#include <iterator>

namespace smaster::fleet {
namespace {

/// Maximum number of attempts remembered per key. Above any sensible limit; bounds the memory under attack.
constexpr std::size_t kMaxRemembered = 1000;

/// Maximum number of keys, at less than 1 kB each. Further keys are not limited; signature checks are queued
/// fairly in any case.
constexpr std::size_t kMaxKeys = 100'000;

void drop_old(std::vector<Instant>& times, Millis window, Instant now) {
  const auto recent = [&](Instant time) { return time + window > now; };
  times.erase(times.begin(), std::find_if(times.begin(), times.end(), recent));
}

}  // namespace

bool Attempts::exhausted(const std::string& key, std::size_t limit, Millis window, Instant now) {
  forget_some(window, now);
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return limit == 0;
  drop_old(found->second, window, now);
  return found->second.size() >= limit;
}

void Attempts::count(const std::string& key, Instant now) {
  auto found = by_key_.find(key);
  if (found == by_key_.end()) {
    if (by_key_.size() >= kMaxKeys) return;
    found = by_key_.try_emplace(key).first;
    in_turn_.push_back(&found->first);
  }
  auto& times = found->second;
  times.push_back(now);
  if (times.size() > kMaxRemembered) times.erase(times.begin());
}

/// Two keys for each attempt, which adds one at most: so keys of the past go, and no attempt pays for many.
void Attempts::forget_some(Millis window, Instant now) {
  for (int looks = 0; looks < 2 && !in_turn_.empty(); ++looks) {
    const auto* const key = in_turn_.front();
    in_turn_.pop_front();
    const auto found = by_key_.find(*key);
    drop_old(found->second, window, now);
    if (found->second.empty()) {
      by_key_.erase(found);
    } else {
      in_turn_.push_back(key);
    }
  }
}

}  // namespace smaster::fleet
