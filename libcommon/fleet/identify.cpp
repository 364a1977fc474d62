#include "fleet/identify.hpp"

#include <algorithm>

namespace smaster::fleet {

void IdentifyQueue::want(const ShardName& shard, const std::vector<ShardId>& ids) {
  const auto found = waiting_.find(shard);
  if (ids.empty() || (found != waiting_.end() && found->second.ids == ids)) return;
  if (found != waiting_.end()) leave(found);
  const auto turns = turns_.find(shard);
  const Place place{turns == turns_.end() ? 0 : turns->second, ids.front(), shard};
  waiting_.emplace(shard, Waiting{ids, place});
  queue_.insert(place);
}

void IdentifyQueue::forget(const ShardName& shard) {
  if (const auto found = waiting_.find(shard); found != waiting_.end()) leave(found);
}

void IdentifyQueue::leave(std::map<ShardName, Waiting>::iterator waiting) {
  queue_.erase(waiting->second.place);
  waiting_.erase(waiting);
  if (waiting_.empty()) turns_.clear();
}

std::map<std::int32_t, std::int32_t> IdentifyQueue::buckets_of(const Ids& ids) const {
  std::map<std::int32_t, std::int32_t> buckets;
  for (const auto id : ids) ++buckets[id.value % limits_->max_concurrency];
  return buckets;
}

Time IdentifyQueue::free_at(std::int32_t bucket) const {
  const auto found = last_.find(bucket);
  if (found != last_.end()) return found->second + kIdentifyInterval;
  return since_ + static_cast<std::int64_t>(before_) * kIdentifyInterval;
}

/// Whether so many logins must wait for the reset. More than a day has go when the day is fresh.
bool IdentifyQueue::exhausted(Time now, std::size_t ids) const {
  if (!limits_->remaining || now >= limits_->reset_at) return false;
  const auto most = std::max<std::int64_t>(limits_->total - limits_->reserve, 1);
  return *limits_->remaining - limits_->reserve < std::min(static_cast<std::int64_t>(ids), most);
}

std::vector<ShardName> IdentifyQueue::due(Time now) {
  std::vector<ShardName> shards;
  if (limits_ && limits_->remaining && now >= limits_->reset_at) limits_->remaining = limits_->total;
  std::set<std::int32_t> awaited;  // by somebody whose turn comes first
  for (auto place = queue_.begin(); place != queue_.end();) {
    const auto waiting = waiting_.find((place++)->shard);
    const auto& ids = waiting->second.ids;
    if (limits_) {
      if (exhausted(now, ids.size())) break;
      const auto buckets = buckets_of(ids);
      const bool free = std::all_of(buckets.begin(), buckets.end(), [&](const auto& bucket) {
        return now >= free_at(bucket.first) && !awaited.contains(bucket.first);
      });
      if (!free) {
        for (const auto& [bucket, logins] : buckets) awaited.insert(bucket);
        if (static_cast<std::int32_t>(awaited.size()) == limits_->max_concurrency) break;
        continue;
      }
      for (const auto& [bucket, logins] : buckets) last_[bucket] = now + (logins - 1) * kIdentifyInterval;
      if (limits_->remaining) *limits_->remaining -= static_cast<std::int64_t>(ids.size());
    }
    shards.push_back(waiting->first);
    ++turns_[waiting->first];
    leave(waiting);
  }
  return shards;
}

std::optional<Time> IdentifyQueue::next(Time now) const {
  if (queue_.empty()) return std::nullopt;
  if (!limits_) return now;
  if (exhausted(now, waiting_.at(queue_.begin()->shard).ids.size())) return limits_->reset_at;
  auto earliest = Time::max();
  std::set<std::int32_t> awaited;
  for (const auto& place : queue_) {
    auto at = now;
    bool next_in_all = true;
    for (const auto& [bucket, logins] : buckets_of(waiting_.at(place.shard).ids)) {
      next_in_all = awaited.insert(bucket).second && next_in_all;
      at = std::max(at, free_at(bucket));
    }
    if (next_in_all) earliest = std::min(earliest, at);
    if (static_cast<std::int32_t>(awaited.size()) == limits_->max_concurrency) break;
  }
  return earliest;
}

std::optional<Time> IdentifyQueue::all_started(Time now) const {
  if (queue_.empty()) return std::nullopt;
  if (!limits_) return now;
  const auto begin = exhausted(now, waiting_.at(queue_.begin()->shard).ids.size()) ? limits_->reset_at : now;
  std::map<std::int32_t, Time> turns;
  auto last = begin;
  for (const auto& place : queue_) {
    const auto buckets = buckets_of(waiting_.at(place.shard).ids);
    auto start = begin;
    for (const auto& [bucket, logins] : buckets) {
      start = std::max(start, turns.emplace(bucket, free_at(bucket)).first->second);
    }
    for (const auto& [bucket, logins] : buckets) turns[bucket] = start + logins * kIdentifyInterval;
    last = std::max(last, start);
  }
  return last;
}

}  // namespace smaster::fleet
