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
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return limit == 0;
  drop_old(found->second, window, now);
  return found->second.size() >= limit;
}

void Attempts::count(const std::string& key, Instant now) {
  if (by_key_.size() >= kMaxKeys && !by_key_.contains(key)) return;
  auto& times = by_key_[key];
  times.push_back(now);
  if (times.size() > kMaxRemembered) times.erase(times.begin());
}

void Attempts::prune(Millis window, Instant now) {
  for (auto at = by_key_.begin(); at != by_key_.end();) {
    drop_old(at->second, window, now);
    at = at->second.empty() ? by_key_.erase(at) : std::next(at);
  }
}

}  // namespace smaster::fleet
