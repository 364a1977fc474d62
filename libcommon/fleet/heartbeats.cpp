#include "fleet/heartbeats.hpp"

#include <algorithm>

namespace smaster::fleet {
namespace {

/// Minimum time between two batches of status requests. Their answers come together, too: a wake-up for each
/// costs more than the answer.
constexpr Millis kShortestTick{100};

double intervals(Instant from, Instant to, Millis interval) {
  return std::chrono::duration<double>(to - from) / std::chrono::duration<double>(interval);
}

}  // namespace

std::vector<ShardName> HeartbeatRing::due(Instant now, Millis interval, bool disperse, std::size_t most) {
  if (ring_.empty() || !counted_) {
    counted_ = now;
    credit_ = 0;
    return {};
  }
  const auto size = static_cast<double>(ring_.size());
  const double passed = intervals(*counted_, now, interval);
  if (disperse || passed >= 1) {
    // After a pause of the process, ask each shard at most once.
    credit_ = std::min(credit_ + passed * size, size);
    counted_ = now;
  }
  std::vector<ShardName> shards;
  for (; credit_ >= 1 && shards.size() < most; credit_ -= 1) {
    auto at = last_ ? ring_.upper_bound(*last_) : ring_.begin();
    if (at == ring_.end()) at = ring_.begin();
    last_ = *at;
    shards.push_back(*at);
  }
  return shards;
}

std::optional<Instant> HeartbeatRing::next(Instant now, Millis interval, bool disperse) const {
  if (ring_.empty()) return std::nullopt;
  if (credit_ >= 1) return now;
  const auto from = counted_.value_or(now);
  const double share = disperse ? (1 - credit_) / static_cast<double>(ring_.size()) : 1;
  const auto wait =
      std::chrono::duration_cast<Instant::duration>(std::chrono::duration<double>(interval) * share);
  return std::max(from + wait, now + kShortestTick);
}

}  // namespace smaster::fleet
