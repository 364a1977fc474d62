// The single queue of all logins. Discord allows one IDENTIFY per bucket (shard id mod max_concurrency) every
// five seconds, and a number per day. Bots that ask queue each IDENTIFY; for others, the start of the process
// is queued. Pure: time is passed in. Source: WIRE.md, "Discord's own rules"; SPEC, "Logins".
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "base/types.hpp"

namespace smaster::fleet {

/// Minimum time between two IDENTIFYs in one bucket.
inline constexpr Millis kIdentifyInterval{5'000};
/// A permit not used within this time is void, and the bot asks again. Agents tell the bot a slightly shorter
/// limit (agent::kPermitUse).
inline constexpr Millis kPermitValidity{5'000};
/// How much later than reported an IDENTIFY may reach Discord: a lost packet is retransmitted after some
/// hundred milliseconds, and machines may be busy. READY usually comes first, and ends the uncertainty.
inline constexpr Millis kIdentifyDelay{1'000};
/// Length of the period that `IdentifyLimits::remaining` is for. Source: Discord's documentation, "Session
/// Start Limit Object".
inline constexpr Millis kLoginPeriod{86'400'000};
/// A bot that asks again within this time after its IDENTIFY, without READY, was refused by Discord (op 9).
inline constexpr Millis kRefusalLate{10'000};
/// Default time from the start of a process that does not ask to its IDENTIFY.
inline constexpr Millis kLoginPatience{15'000};

/// Discord's limits.
struct IdentifyLimits {
  std::int32_t max_concurrency = 1;            ///< number of buckets
  std::optional<std::int64_t> remaining = {};  ///< logins left until `reset_at`; unset: unknown
  Time reset_at = {};                          ///< when `remaining` becomes `total` again, for another period
  std::int64_t total = 0;
  std::int64_t reserve = 0;  ///< part of `remaining` that is kept for the operator
  bool operator==(const IdentifyLimits&) const = default;
};

class IdentifyQueue {
 public:
  /// A granted slot: to start a process that logs in with all these ids, or to send the IDENTIFY of one id.
  struct Turn {
    enum class Kind { start, login };
    Kind kind;
    ShardName shard;
    std::vector<ShardId> ids;
    std::uint64_t ask;  ///< for logins: the number of the question that it answers
    Millis waited;      ///< time since that question
    bool operator==(const Turn&) const = default;
  };

  /// Logins before `now` are unknown, and one may have happened at `now`: the first turn of a bucket is an
  /// interval later.
  explicit IdentifyQueue(Time now) : since_(now) {}
  /// Another server has given turns until `now`: the same uncertainty from then on.
  void take_over(Time now) { since_ = now; }
  /// Until `heard` is called: the shard's process may have started to log in with this many ids before that,
  /// one after the other.
  void assume_started(const ShardName& shard, std::size_t ids);
  /// The shard has told what its process does, or was removed.
  void heard(const ShardName& shard);
  /// Permits given by another server may be used until they become void.
  void assume_permits() { permits_before_ = true; }

  /// Sets Discord's current limits. Turns that are granted but not used yet are unknown to Discord,
  /// and subtracted from `remaining` here. Without limits, all turns are granted at once.
  void limit(std::optional<IdentifyLimits> limits);
  /// If there are no limits: one login per interval, until `limit` sets what Discord says.
  void assume_limits();
  /// Whether there are limits, and Discord has said them.
  [[nodiscard]] bool limits_known() const { return limits_ && !assumed_; }
  [[nodiscard]] const std::optional<IdentifyLimits>& limits() const { return limits_; }
  /// True if `remaining` may be inaccurate since the last limits: a login without a permit was counted, or a
  /// start of a bot that does not ask, which may identify several times; or a new period has begun.
  [[nodiscard]] bool drifted() const { return drifted_; }
  /// True if Discord has refused several logins in their turn since the last limits: max_concurrency must
  /// have fallen. Until the next limits there is one bucket.
  [[nodiscard]] bool slowed() const { return slowed_; }
  /// Sets the time from the start of a process that does not ask to its IDENTIFY.
  void set_patience(Millis patience) { patience_ = patience; }
  [[nodiscard]] Millis patience() const { return patience_; }

  // ---- waiting ----

  /// The shard's process is to start with these ids, each of which logs in; asking again changes nothing.
  /// Shards that have had the fewest turns since the queue was last empty come first, so that one that starts
  /// again and again delays no other; of these the lowest id.
  /// `patience`: how long it may take until its IDENTIFY, where that is known better than for all.
  void want(const ShardName& shard, const std::vector<ShardId>& ids, std::optional<Millis> patience = {});
  /// Its bot asks to send the IDENTIFY of `id`. `ask` numbers the shard's questions: one that was asked anew
  /// may cross the permit for the earlier one.
  void want_login(const ShardName& shard, ShardId id, std::uint64_t ask, Time now);
  /// Removes the start from the queue.
  void forget(const ShardName& shard);
  /// Removes the login for this question, or returns its permit: the session was resumed, or the bot gave up
  /// before it sent IDENTIFY.
  void forget_login(const ShardName& shard, ShardId id, std::uint64_t ask);
  /// Removes all queued logins of the shard. Permits remain valid.
  void forget_logins(const ShardName& shard);
  [[nodiscard]] bool wants(const ShardName& shard) const { return waiting_.contains({shard, kStart}); }

  /// Grants the turns that are due, at most `most`. They leave the queue, and reserve their buckets until the
  /// time of their logins is known.
  [[nodiscard]] std::vector<Turn> due(Time now, std::size_t most = std::numeric_limits<std::size_t>::max());
  /// When `due` can grant a turn again; nullopt: the queue is empty.
  [[nodiscard]] std::optional<Time> next(Time now) const;
  /// When the last entry of the queue gets its turn, as far as is known now. An underestimate if one process
  /// waits for several buckets.
  [[nodiscard]] std::optional<Time> all_started(Time now) const;
  [[nodiscard]] std::size_t waiting() const { return waiting_.size(); }
  /// The number of logins that the first entry needs at once; 0: the queue is empty.
  [[nodiscard]] std::size_t next_needs() const;

  /// An entry of a shard, for copying the queue piece by piece: copying thousands of entries at once would
  /// block the event loop.
  struct Wish {
    ShardName shard;
    ShardId id;  ///< id of the login; kNoShard: the start of the process
    std::vector<ShardId> ids;
  };
  [[nodiscard]] std::vector<Wish> wishes_of(const ShardName& shard) const;
  [[nodiscard]] IdentifyQueue without_waiting() const;
  void want(const Wish& wish, Time now);

  // ---- results of turns ----

  /// The IDENTIFY of `id` was sent at `at`, with the permit for question `ask`; kNoAsk: without a permit.
  void identified(const ShardName& shard, ShardId id, std::uint64_t ask, Time at, Time now);
  static constexpr std::uint64_t kNoAsk = 0;
  /// READY was received: no IDENTIFY of this id is on its way any more.
  void logged_in(const ShardName& shard, ShardId id, Time now);
  /// READY was received for all ids of the process.
  void all_logged_in(const ShardName& shard, Time now);
  /// A bot that does not ask has logged in, with a turn, late, or anew by itself: its IDENTIFYs may have been
  /// sent until now.
  void logged_in_unasked(const std::vector<ShardId>& ids, Time now);
  /// The process asks before each login: the turn of its start is returned.
  void asks(const ShardName& shard);
  /// The process has ended. Its unused permits expire, except that the last one may have been used without a
  /// report. After a requested stop, the turn of the start is kept for the next process; after a death it
  /// ends.
  void ended(const ShardName& shard, bool died, Time now);
  /// A process that does not ask was started at `at` without a turn, and has not logged in yet.
  void started_elsewhere(const ShardName& shard, const std::vector<ShardId>& ids, Time at, Time now);

 private:
  using Ids = std::vector<ShardId>;
  /// A shard and what it waits for: its start (kStart), or the login of one id.
  struct Key {
    ShardName shard;
    ShardId id;
    auto operator<=>(const Key&) const = default;
  };
  static constexpr ShardId kStart = kNoShard;
  struct Place {
    std::int32_t turns;  ///< turns its shard has had
    ShardId first;
    Key key;
    auto operator<=>(const Place&) const = default;
  };
  struct Waiting {
    Ids ids;
    std::uint64_t ask;
    Time asked;
    std::optional<Millis> patience;  ///< of a start
  };
  /// A granted turn whose login time is not known yet.
  struct Given {
    Ids ids;  ///< ids without READY
    std::uint64_t ask;
    Time until;
    Time from;                 ///< when the turn was given
    std::optional<Time> sent;  ///< for logins: time of the IDENTIFY
  };
  struct Bucket {
    Time last{};                ///< latest possible time of the last IDENTIFY; see also unknown_until
    std::optional<Key> holder;  ///< the turn that reserves the bucket
    Time before{};              ///< `last` without that reservation
    Time unasked{};             ///< the last IDENTIFY without a permit
    bool unasked_last = false;  ///< no turn was given since then
  };
  using Queue = std::map<Place, Waiting>;

  void enqueue(Key key, Waiting waiting);
  void leave(std::map<Key, Place>::iterator waiting);
  void leave(Queue::iterator at);
  void count_waiting(const Ids& ids, std::int32_t change);
  void hold(const Key& key, const Ids& ids, std::uint64_t ask, Time until, Time now);
  void set_buckets(IdentifyLimits limits);
  void refused(const ShardName& shard, Time sent, Time now);
  [[nodiscard]] bool note_unasked(std::int32_t number, std::int64_t logins, Time now);
  std::size_t forget_unready(const ShardName& shard);
  void note_outcome(bool refused) { outcomes_ = static_cast<std::uint8_t>(outcomes_ << 1 | int{refused}); }
  void give_back(std::map<Key, Given>::iterator given);
  void release(std::map<Key, Given>::iterator given, Time last);
  void expire(Time now);
  void count(std::int64_t logins);
  /// Latest possible time of a login that this queue knows nothing of.
  [[nodiscard]] Time unknown_until() const;
  /// Calls visit(bucket, number of ids in it) for each bucket of these ids.
  template <class Visit>
  void for_each_bucket(const Ids& ids, Visit visit) const;
  [[nodiscard]] std::int32_t bucket_of(ShardId id) const { return id.value % limits_->max_concurrency; }
  [[nodiscard]] Time free_at(std::int32_t bucket, const Key* key) const;
  [[nodiscard]] bool exhausted(Time now, std::size_t ids) const;
  [[nodiscard]] std::size_t logins_of(const Key& key, const Ids& ids) const;

  Time since_;
  // Of processes that may have been logging in at `since_`, until they are heard:
  std::map<ShardName, std::size_t> unheard_;         ///< number of ids
  std::map<std::size_t, std::size_t> unheard_with_;  ///< processes by number of ids
  bool permits_before_ = false;
  std::optional<IdentifyLimits> limits_;
  bool assumed_ = false;  ///< limits_: Discord has not said them
  bool drifted_ = false;
  bool slowed_ = false;
  // Since the last limits:
  std::set<ShardName> refused_;  ///< shards that Discord has refused in their turn
  std::uint8_t outcomes_ = 0;    ///< of the last eight logins in their turn, one bit each: refused
  std::map<Key, Time> unready_;  ///< IDENTIFYs in their turn whose READY is not known
  Millis patience_ = kLoginPatience;
  Queue queue_;
  std::map<Key, Place> waiting_;  ///< position of each entry in queue_
  /// Number of queued logins per bucket. A scan of the queue stops when each of these buckets has its next
  /// entry.
  std::map<std::int32_t, std::int32_t> waiting_in_;
  std::map<ShardName, std::int32_t> turns_;  ///< turns per shard since the queue was last empty
  std::map<Key, Given> given_;
  std::map<std::int32_t, Bucket> buckets_;
};

template <class Visit>
void IdentifyQueue::for_each_bucket(const Ids& ids, Visit visit) const {
  if (ids.size() == 1) return visit(bucket_of(ids.front()), 1);
  std::map<std::int32_t, std::int32_t> buckets;
  for (const auto id : ids) ++buckets[bucket_of(id)];
  for (const auto& [bucket, logins] : buckets) visit(bucket, logins);
}

}  // namespace smaster::fleet
