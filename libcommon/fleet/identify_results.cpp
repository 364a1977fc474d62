// What becomes of granted turns: the IDENTIFY, READY, or the end of the process.
#include <algorithm>
#include <utility>

#include "fleet/identify.hpp"

namespace smaster::fleet {
namespace {

/// Minimum time between two IDENTIFYs without a permit that are counted in one bucket.
constexpr Millis kUnaskedInterval{1'000};

}  // namespace

void IdentifyQueue::count(std::int64_t logins) {
  if (limits_ && limits_->remaining) *limits_->remaining -= logins;
}

void IdentifyQueue::hold(const Key& key, const Ids& ids, std::uint64_t ask, Time until, Time now) {
  // An earlier process of this name may have sent its IDENTIFY until now.
  if (const auto earlier = given_.find(key); earlier != given_.end()) release(earlier, now);
  auto latest = until;
  for_each_bucket(ids, [&](std::int32_t number, std::int32_t logins) {
    auto& bucket = buckets_[number];
    // Another reservation of this bucket stays in effect: both must end.
    bucket.before = bucket.last;
    bucket.last = std::max(bucket.last, until + (logins - 1) * kIdentifyInterval);
    bucket.holder = key;
    bucket.unasked_last = false;
    latest = std::max(latest, bucket.last);
  });
  given_.emplace(key, Given{ids, ask, latest, now, std::nullopt});
}

/// The turn was not used: returns its reservation.
void IdentifyQueue::give_back(std::map<Key, Given>::iterator given) {
  count(-static_cast<std::int64_t>(given->second.ids.size()));
  for (auto& [number, bucket] : buckets_) {
    if (bucket.holder != given->first) continue;
    bucket.last = bucket.before;
    bucket.holder.reset();
  }
  given_.erase(given);
}

/// The turn's logins happened at `last` or before: ends its reservation.
void IdentifyQueue::release(std::map<Key, Given>::iterator given, Time last) {
  for (auto& [number, bucket] : buckets_) {
    if (bucket.holder != given->first) continue;
    bucket.last = std::max(bucket.before, std::min(bucket.last, last));
    bucket.holder.reset();
  }
  drifted_ = drifted_ || given->first.id == kStart;
  given_.erase(given);
}

void IdentifyQueue::expire(Time now) {
  if (limits_ && limits_->remaining && now >= limits_->reset_at) {
    limits_->remaining = limits_->total;
    const auto periods = (now - limits_->reset_at) / kLoginPeriod + 1;
    limits_->reset_at += periods * kLoginPeriod;
    drifted_ = true;
  }
  for (auto at = given_.begin(); at != given_.end();) {
    const auto given = at++;
    if (now >= given->second.until) release(given, given->second.until);
  }
}

/// A login without a permit. False if it must not delay the bucket's next turn: reports that follow each
/// other fast may be false, and a bot that logs in again and again must not keep the others from their turn.
bool IdentifyQueue::note_unasked(std::int32_t number, std::int64_t logins, Time now) {
  auto& bucket = buckets_[number];
  if (now < bucket.unasked + kUnaskedInterval) return false;
  bucket.unasked = now;
  drifted_ = true;
  count(logins);
  return !std::exchange(bucket.unasked_last, true) || !waiting_in_.contains(number);
}

void IdentifyQueue::logged_in_unasked(const Ids& ids, Time now) {
  if (!limits_) return;
  for_each_bucket(ids, [&](std::int32_t number, std::int32_t) {
    if (!note_unasked(number, 0, now)) return;
    auto& bucket = buckets_[number];
    bucket.last = std::max(bucket.last, now);
    bucket.before = std::max(bucket.before, now);
  });
}

std::size_t IdentifyQueue::forget_unready(const ShardName& shard) {
  std::size_t count = 0;
  auto at = unready_.lower_bound({shard, kStart});
  for (; at != unready_.end() && at->first.shard == shard; ++count) at = unready_.erase(at);
  return count;
}

void IdentifyQueue::identified(const ShardName& shard, ShardId id, std::uint64_t ask, Time at, Time now) {
  if (!limits_) return;
  const Key key{shard, id};
  auto& bucket = buckets_[bucket_of(id)];
  auto given = given_.find(key);
  // There is no matching permit.
  if (given == given_.end() || given->second.ask != ask || given->second.sent) {
    if (!note_unasked(bucket_of(id), 1, now)) return;
    hold(key, {id}, ask, now, now);
    bucket.unasked_last = true;
    given = given_.find(key);
  } else {
    unready_.insert_or_assign(key, now);
  }
  // It was sent with its permit, whatever the clock of its sender says.
  at = std::clamp(at, given->second.from, now);
  if (const auto asked = waiting_.find(key); asked != waiting_.end()) leave(asked);
  given->second.sent = at;
  given->second.until = at + kIdentifyDelay;
  if (bucket.holder == key) bucket.last = std::max(bucket.before, at + kIdentifyDelay);
}

void IdentifyQueue::logged_in(const ShardName& shard, ShardId id, Time now) {
  if (unready_.erase({shard, id}) > 0) note_outcome(false);
  if (const auto given = given_.find({shard, id}); given != given_.end()) {
    return release(given, std::max(now, given->second.sent.value_or(now)));
  }
  const auto started = given_.find({shard, kStart});
  if (started == given_.end()) return;
  auto& ids = started->second.ids;
  ids.erase(std::remove(ids.begin(), ids.end(), id), ids.end());
  if (ids.empty()) release(started, now);
}

void IdentifyQueue::all_logged_in(const ShardName& shard, Time now) {
  for (auto left = forget_unready(shard); left > 0; --left) note_outcome(false);
  for (auto at = given_.lower_bound({shard, kStart}); at != given_.end() && at->first.shard == shard;) {
    release(at++, now);
  }
}

void IdentifyQueue::asks(const ShardName& shard) {
  const auto started = given_.find({shard, kStart});
  if (started == given_.end()) return;
  give_back(started);
  if (const auto turns = turns_.find(shard); turns != turns_.end() && turns->second > 0) --turns->second;
}

void IdentifyQueue::ended(const ShardName& shard, bool died, Time now) {
  for (auto at = given_.lower_bound({shard, kStart}); at != given_.end() && at->first.shard == shard;) {
    const auto given = at++;
    if (given->first.id == kStart) {
      if (died) release(given, now + kIdentifyDelay);
    } else {
      if (!given->second.sent) {
        count(-static_cast<std::int64_t>(given->second.ids.size()));
        drifted_ = true;
      }
      // Its death does not call back what it has sent.
      release(given, given->second.sent.value_or(now) + kIdentifyDelay);
    }
  }
  forget_logins(shard);
  (void)forget_unready(shard);
}

void IdentifyQueue::started_elsewhere(const ShardName& shard, const std::vector<ShardId>& ids, Time at,
                                      Time now) {
  if (!limits_ || ids.empty() || given_.contains({shard, kStart})) return;
  const auto last = at + patience_ + static_cast<std::int64_t>(ids.size() - 1) * kIdentifyInterval;
  if (last > now) hold({shard, kStart}, ids, kNoAsk, at + patience_, now);
}

}  // namespace smaster::fleet
