#include "fleet/identify.hpp"

#include <algorithm>
#include <bit>
#include <set>
#include <utility>

namespace smaster::fleet {
namespace {

/// Number of refusals among the last eight logins from which on they have the same cause. Single ones may
/// have others, such as a connection lost during the login.
constexpr int kRefusals = 4;

}  // namespace

void IdentifyQueue::limit(std::optional<IdentifyLimits> limits) {
  assumed_ = false;
  drifted_ = false;
  slowed_ = false;
  refused_.clear();
  outcomes_ = 0;
  if (!limits) {
    limits_.reset();
    return;
  }
  set_buckets(*limits);
  if (!limits_->remaining) return;
  for (const auto& [key, given] : given_) {
    if (!given.sent) count(static_cast<std::int64_t>(given.ids.size()));
  }
}

void IdentifyQueue::set_buckets(IdentifyLimits limits) {
  if (limits_ && limits_->max_concurrency != limits.max_concurrency) {
    // The latest possible login of any old bucket counts for all new ones. Permits stay known, and reserve
    // nothing more than that.
    since_ = unknown_until();
    for (const auto& [number, bucket] : buckets_) since_ = std::max(since_, bucket.last);
    permits_before_ = false;
    unheard_.clear();
    unheard_with_.clear();
    buckets_.clear();
  }
  limits_ = limits;
  waiting_in_.clear();
  for (const auto& [place, waiting] : queue_) count_waiting(waiting.ids, 1);
}

/// What one shard says slows others only if another one says the same.
void IdentifyQueue::refused(const ShardName& shard, Time sent, Time now) {
  if (now >= sent + kRefusalLate) return;
  drifted_ = true;
  note_outcome(true);
  refused_.insert(shard.process(0));
  const auto is_its = [&shard](const Key& key) { return key.shard.process(0) == shard.process(0); };
  const bool alone =
      waiting_.empty() || (is_its(waiting_.begin()->first) && is_its(waiting_.rbegin()->first));
  const bool sure = std::popcount(outcomes_) >= kRefusals && (refused_.size() > 1 || alone);
  if (!sure || slowed_ || limits_->max_concurrency == 1) return;
  slowed_ = true;
  auto one_bucket = *limits_;
  one_bucket.max_concurrency = 1;
  set_buckets(one_bucket);
}

void IdentifyQueue::assume_limits() {
  if (limits_) return;
  limit(IdentifyLimits{});
  assumed_ = true;
}

// ---- waiting ----

void IdentifyQueue::enqueue(Key key, Waiting waiting) {
  if (waiting.ids.empty()) return;
  if (const auto found = waiting_.find(key); found != waiting_.end()) {
    if (auto& before = queue_.at(found->second); before.ids == waiting.ids) {
      before = std::move(waiting);
      return;
    }
    leave(found);
  }
  const auto turns = turns_.find(key.shard);
  const Place place{turns == turns_.end() ? 0 : turns->second, waiting.ids.front(), key};
  count_waiting(waiting.ids, 1);
  queue_.emplace(place, std::move(waiting));
  waiting_.emplace(std::move(key), place);
}

void IdentifyQueue::want(const ShardName& shard, const std::vector<ShardId>& ids,
                         std::optional<Millis> patience) {
  enqueue({shard, kStart}, {ids, kNoAsk, {}, patience});
}

void IdentifyQueue::want_login(const ShardName& shard, ShardId id, std::uint64_t ask, Time now) {
  if (const auto sent = unready_.find({shard, id}); sent != unready_.end()) {
    if (limits_) refused(shard, sent->second, now);
    unready_.erase(sent);
  }
  // A permit for an earlier question may be on its way to the bot: only `forget_login` gives that back.
  enqueue({shard, id}, {{id}, ask, now, {}});
}

void IdentifyQueue::forget(const ShardName& shard) {
  if (const auto found = waiting_.find({shard, kStart}); found != waiting_.end()) leave(found);
}

void IdentifyQueue::forget_login(const ShardName& shard, ShardId id, std::uint64_t ask) {
  const Key key{shard, id};
  const auto found = waiting_.find(key);
  if (found != waiting_.end() && queue_.at(found->second).ask == ask) leave(found);
  const auto given = given_.find(key);
  if (given != given_.end() && given->second.ask == ask && !given->second.sent) give_back(given);
}

void IdentifyQueue::forget_logins(const ShardName& shard) {
  for (auto at = waiting_.upper_bound({shard, kStart}); at != waiting_.end() && at->first.shard == shard;) {
    leave(at++);
  }
}

void IdentifyQueue::leave(std::map<Key, Place>::iterator waiting) { leave(queue_.find(waiting->second)); }

void IdentifyQueue::leave(Queue::iterator at) {
  count_waiting(at->second.ids, -1);
  waiting_.erase(at->first.key);
  queue_.erase(at);
  if (queue_.empty()) turns_.clear();
}

void IdentifyQueue::count_waiting(const Ids& ids, std::int32_t change) {
  if (!limits_) return;
  for_each_bucket(ids, [&](std::int32_t bucket, std::int32_t logins) {
    const auto counted = waiting_in_.try_emplace(bucket).first;
    if ((counted->second += change * logins) == 0) waiting_in_.erase(counted);
  });
}

void IdentifyQueue::assume_started(const ShardName& shard, std::size_t ids) {
  if (const auto found = unheard_.find(shard); found != unheard_.end()) {
    ids = std::max(ids, found->second);
    heard(shard);
  }
  unheard_.emplace(shard, ids);
  ++unheard_with_[ids];
}

void IdentifyQueue::heard(const ShardName& shard) {
  const auto found = unheard_.find(shard);
  if (found == unheard_.end()) return;
  const auto counted = unheard_with_.find(found->second);
  if (--counted->second == 0) unheard_with_.erase(counted);
  unheard_.erase(found);
}

Time IdentifyQueue::unknown_until() const {
  std::size_t ids = 1;
  if (!unheard_with_.empty()) ids = std::max(ids, unheard_with_.rbegin()->first);
  const auto starts = since_ + static_cast<std::int64_t>(ids - 1) * kIdentifyInterval;
  return permits_before_ ? std::max(starts, since_ + kPermitValidity) : starts;
}

/// For a bot that was started in its turn, and now asks to log in, the reservation for its start is ignored.
Time IdentifyQueue::free_at(std::int32_t bucket, const Key* key) const {
  const auto found = buckets_.find(bucket);
  if (found == buckets_.end()) return unknown_until() + kIdentifyInterval;
  const auto& bucket_now = found->second;
  const auto& holder = bucket_now.holder;
  const bool own =
      key != nullptr && holder && holder->shard == key->shard && holder->id == kStart && key->id != kStart;
  return std::max(own ? bucket_now.before : bucket_now.last, unknown_until()) + kIdentifyInterval;
}

/// True if the daily limit has no room for this many logins. A process with more ids than a full day's limit
/// is allowed when the limit is fresh.
bool IdentifyQueue::exhausted(Time now, std::size_t ids) const {
  if (!limits_->remaining || now >= limits_->reset_at) return false;
  const auto most = std::max<std::int64_t>(limits_->total - limits_->reserve, 1);
  return *limits_->remaining - limits_->reserve < std::min(static_cast<std::int64_t>(ids), most);
}

/// The number of logins to be counted for a turn: 0 if they were counted with the start of the process.
std::size_t IdentifyQueue::logins_of(const Key& key, const Ids& ids) const {
  const auto started = given_.find({key.shard, kStart});
  const bool counted =
      key.id != kStart && started != given_.end() &&
      std::find(started->second.ids.begin(), started->second.ids.end(), key.id) != started->second.ids.end();
  return counted ? 0 : ids.size();
}

std::vector<IdentifyQueue::Turn> IdentifyQueue::due(Time now, std::size_t most) {
  std::vector<Turn> turns;
  expire(now);
  std::set<std::int32_t> awaited;  // buckets that an earlier entry waits for
  for (auto at = queue_.begin(); at != queue_.end() && turns.size() < most;) {
    const auto here = at++;
    const auto& key = here->first.key;
    const auto& ids = here->second.ids;
    if (limits_) {
      if (awaited.size() == waiting_in_.size() || exhausted(now, logins_of(key, ids))) break;
      bool free = true;
      for_each_bucket(ids, [&](std::int32_t bucket, std::int32_t) {
        free = free && now >= free_at(bucket, &key) && !awaited.contains(bucket);
      });
      if (!free) {
        for_each_bucket(ids, [&](std::int32_t bucket, std::int32_t) { awaited.insert(bucket); });
        continue;
      }
      if (key.id != kStart) asks(key.shard);
      count(static_cast<std::int64_t>(ids.size()));
      const auto patience = std::min(here->second.patience.value_or(patience_), patience_);
      hold(key, ids, here->second.ask, now + (key.id == kStart ? patience : kPermitValidity), now);
    }
    const auto kind = key.id == kStart ? Turn::Kind::start : Turn::Kind::login;
    turns.push_back({kind, key.shard, ids, here->second.ask, now - here->second.asked});
    ++turns_[key.shard];
    leave(here);
  }
  return turns;
}

std::optional<Time> IdentifyQueue::next(Time now) const {
  if (queue_.empty()) return std::nullopt;
  if (!limits_) return now;
  const auto& [first, waits] = *queue_.begin();
  if (exhausted(now, logins_of(first.key, waits.ids))) return limits_->reset_at;
  auto earliest = Time::max();
  std::set<std::int32_t> awaited;
  for (const auto& entry : queue_) {
    auto at = now;
    bool next_in_all = true;
    for_each_bucket(entry.second.ids, [&](std::int32_t bucket, std::int32_t) {
      next_in_all = awaited.insert(bucket).second && next_in_all;
      at = std::max(at, free_at(bucket, &entry.first.key));
    });
    if (next_in_all) earliest = std::min(earliest, at);
    if (awaited.size() == waiting_in_.size()) break;
  }
  return earliest;
}

std::optional<Time> IdentifyQueue::all_started(Time now) const {
  if (queue_.empty()) return std::nullopt;
  if (!limits_) return now;
  const auto& [first, waits] = *queue_.begin();
  const auto begin = exhausted(now, logins_of(first.key, waits.ids)) ? limits_->reset_at : now;
  auto last = begin;
  for (const auto& [bucket, logins] : waiting_in_) {
    last = std::max(last, std::max(begin, free_at(bucket, nullptr)) + (logins - 1) * kIdentifyInterval);
  }
  return last;
}

std::size_t IdentifyQueue::next_needs() const {
  if (queue_.empty()) return 0;
  const auto& [first, waits] = *queue_.begin();
  return logins_of(first.key, waits.ids);
}

std::vector<IdentifyQueue::Wish> IdentifyQueue::wishes_of(const ShardName& shard) const {
  std::vector<Wish> wishes;
  for (auto at = waiting_.lower_bound({shard, kStart}); at != waiting_.end() && at->first.shard == shard;
       ++at) {
    wishes.push_back({shard, at->first.id, queue_.at(at->second).ids});
  }
  return wishes;
}

IdentifyQueue IdentifyQueue::without_waiting() const {
  IdentifyQueue copy(unknown_until());
  copy.limits_ = limits_;
  copy.patience_ = patience_;
  copy.given_ = given_;
  copy.buckets_ = buckets_;
  return copy;
}

void IdentifyQueue::want(const Wish& wish, Time now) {
  enqueue({wish.shard, wish.id}, {wish.ids, kNoAsk, now, {}});
}

}  // namespace smaster::fleet
