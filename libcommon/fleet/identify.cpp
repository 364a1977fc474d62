#include "fleet/identify.hpp"

#include <algorithm>

namespace smaster::fleet {

void IdentifyQueue::want(const ShardName& shard, ShardId id) {
  const auto found = ids_.find(shard);
  if (found != ids_.end() && found->second == id) return;
  forget(shard);
  ids_.emplace(shard, id);
  queue_.emplace(id, shard);
}

void IdentifyQueue::forget(const ShardName& shard) {
  const auto found = ids_.find(shard);
  if (found == ids_.end()) return;
  queue_.erase({found->second, shard});
  ids_.erase(found);
}

Time IdentifyQueue::free_at(std::int32_t bucket) const {
  const auto found = last_.find(bucket);
  return (found == last_.end() ? since_ : found->second) + kIdentifyInterval;
}

bool IdentifyQueue::exhausted(Time now) const {
  return limits_->remaining && *limits_->remaining <= limits_->reserve && now < limits_->reset_at;
}

std::vector<ShardName> IdentifyQueue::due(Time now) {
  std::vector<ShardName> shards;
  if (limits_ && limits_->remaining && now >= limits_->reset_at) limits_->remaining = limits_->total;
  for (auto at = queue_.begin(); at != queue_.end();) {
    if (limits_) {
      if (exhausted(now)) break;
      const auto bucket = bucket_of(at->first);
      if (now < free_at(bucket)) {
        ++at;
        continue;
      }
      last_[bucket] = now;
      if (limits_->remaining) --*limits_->remaining;
    }
    shards.push_back(at->second);
    ids_.erase(at->second);
    at = queue_.erase(at);
  }
  return shards;
}

std::optional<Time> IdentifyQueue::next(Time now) const {
  if (queue_.empty()) return std::nullopt;
  if (!limits_) return now;
  if (exhausted(now)) return limits_->reset_at;
  auto earliest = Time::max();
  for (const auto& [id, shard] : queue_) earliest = std::min(earliest, free_at(bucket_of(id)));
  return std::max(earliest, now);
}

std::optional<Time> IdentifyQueue::all_started(Time now) const {
  if (queue_.empty()) return std::nullopt;
  if (!limits_) return now;
  const auto begin = exhausted(now) ? limits_->reset_at : now;
  std::map<std::int32_t, Time> turns;
  auto last = begin;
  for (const auto& [id, shard] : queue_) {
    const auto bucket = bucket_of(id);
    const auto [turn, first] = turns.emplace(bucket, std::max(free_at(bucket), begin));
    if (!first) turn->second += kIdentifyInterval;
    last = std::max(last, turn->second);
  }
  return last;
}

}  // namespace smaster::fleet
