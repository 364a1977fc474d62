// The one queue of all logins. Discord takes one IDENTIFY a bucket (shard id mod max_concurrency) every five
// seconds, and so many a day. A bot that asks waits here with each IDENTIFY; the process of one that cannot
// ask waits here with its start. Pure: time comes in. Source: WIRE.md, "Discord's own rules"; SPEC, "Logins".
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "base/types.hpp"

namespace smaster::fleet {

/// Between two IDENTIFYs in one bucket.
inline constexpr Millis kIdentifyInterval{5'000};
/// A permit that was not used for so long is void: the bot asks again. Told to the bot with the permit.
inline constexpr Millis kPermitValidity{5'000};
/// How much later than its sender says an IDENTIFY may reach Discord: a lost packet is sent again after some
/// hundred milliseconds, and a busy machine is slow. READY, which ends the doubt, mostly comes sooner.
inline constexpr Millis kIdentifyDelay{1'000};
/// How long a process that cannot ask may take until its IDENTIFY, unless the settings say otherwise.
inline constexpr Millis kLoginPatience{15'000};

/// What Discord allows.
struct IdentifyLimits {
  std::int32_t max_concurrency = 1;            ///< buckets
  std::optional<std::int64_t> remaining = {};  ///< logins left until `reset_at`; nothing: not known
  Time reset_at = {};                          ///< when there are `total` again
  std::int64_t total = 0;
  std::int64_t reserve = 0;  ///< of those left, kept for the operator
  bool operator==(const IdentifyLimits&) const = default;
};

class IdentifyQueue {
 public:
  /// Somebody's turn: to start a process that logs in with all these ids, or to send the IDENTIFY of one id.
  struct Turn {
    enum class Kind { start, login };
    Kind kind;
    ShardName shard;
    std::vector<ShardId> ids;
    std::uint64_t ask;  ///< which question of the shard's it answers; of logins
    Millis waited;      ///< since that question
    bool operator==(const Turn&) const = default;
  };

  /// No login before `now` is known, and one may have been made at `now`: a bucket's first turn comes an
  /// interval later.
  explicit IdentifyQueue(Time now) : since_(now) {}
  /// The same from now on: another server has given out turns until now.
  void take_over(Time now) { since_ = now; }
  /// One process may have begun to log in with so many ids before that, one after the other.
  void assume_started(std::size_t ids) { before_ = std::max(before_, ids); }
  /// A permit that another server gave may be used until its validity is over.
  void assume_permits() { assume_started(1 + kPermitValidity / kIdentifyInterval); }

  /// What Discord says now. Turns that have not become logins yet are not in its figure. Without limits
  /// everything may start and log in at once.
  void limit(std::optional<IdentifyLimits> limits);
  [[nodiscard]] const std::optional<IdentifyLimits>& limits() const { return limits_; }
  /// Whether somebody has logged in unasked since Discord last said how many logins are left.
  [[nodiscard]] bool drifted() const { return drifted_; }
  /// How long a process that cannot ask may take until its IDENTIFY.
  void set_patience(Millis patience) { patience_ = patience; }

  // ---- waiting ----

  /// The shard's process is to start with these ids, each of which logs in; asking again changes nothing.
  /// Shards that have had the fewest turns since the queue was last empty come first, so that one that starts
  /// again and again delays no other; of these the lowest id.
  /// `patience`: how long it may take until its IDENTIFY, where that is known better than for all.
  void want(const ShardName& shard, const std::vector<ShardId>& ids, std::optional<Millis> patience = {});
  /// Its bot asks to send the IDENTIFY of `id`. `ask` numbers the shard's questions: one that was asked anew
  /// may cross the permit for the earlier one.
  void want_login(const ShardName& shard, ShardId id, std::uint64_t ask, Time now);
  /// The start is not wanted any more.
  void forget(const ShardName& shard);
  /// Nor is the login that this question was for: the session was resumed, or the bot gave up before it sent
  /// the IDENTIFY. A permit that answered it is given back.
  void forget_login(const ShardName& shard, ShardId id, std::uint64_t ask);
  /// Neither are any of the shard's logins that wait; permits it has may still be used.
  void forget_logins(const ShardName& shard);
  [[nodiscard]] bool wants(const ShardName& shard) const { return waiting_.contains({shard, kStart}); }

  /// Whose turn it is now: they have left the queue, and hold their buckets until it is known when they
  /// logged in.
  [[nodiscard]] std::vector<Turn> due(Time now);
  /// When `due` has something to give again; nothing while nobody waits.
  [[nodiscard]] std::optional<Time> next(Time now) const;
  /// When the last of those who wait has had its turn, as things are; sooner than it will be where one
  /// process waits for several buckets at once.
  [[nodiscard]] std::optional<Time> all_started(Time now) const;
  [[nodiscard]] std::size_t waiting() const { return waiting_.size(); }

  /// What a shard waits for, to be wanted again in a copy: copied in one piece, thousands who wait would keep
  /// everybody else waiting.
  struct Wish {
    ShardName shard;
    ShardId id;  ///< whose login; kNoShard: the process' start
    std::vector<ShardId> ids;
  };
  [[nodiscard]] std::vector<Wish> wishes_of(const ShardName& shard) const;
  [[nodiscard]] IdentifyQueue without_waiting() const;
  void want(const Wish& wish, Time now);

  // ---- what became of a turn ----

  /// The IDENTIFY of `id` was sent at `at`, with the permit for `ask`; kNoAsk: without any.
  void identified(const ShardName& shard, ShardId id, std::uint64_t ask, Time at, Time now);
  static constexpr std::uint64_t kNoAsk = 0;
  /// READY came for it: no IDENTIFY of it can still be under way.
  void logged_in(const ShardName& shard, ShardId id, Time now);
  /// READY came for all ids of the process.
  void all_logged_in(const ShardName& shard, Time now);
  /// The process that was started announces its logins: its start needs no turn.
  void asks(const ShardName& shard);
  /// The process has ended: its permits are not used any more, if it has not used one in its last moment
  /// without saying so. One that was told to end is followed by the one that its start's turn is for; with
  /// one that died, that turn is over.
  void ended(const ShardName& shard, bool died, Time now);
  /// A process that cannot ask was started at `at` without a turn of ours, and has not logged in yet.
  void started_elsewhere(const ShardName& shard, const std::vector<ShardId>& ids, Time at, Time now);

 private:
  using Ids = std::vector<ShardId>;
  /// A shard with its start, or with the login of one id.
  struct Key {
    ShardName shard;
    ShardId id;
    auto operator<=>(const Key&) const = default;
  };
  static constexpr ShardId kStart = kNoShard;
  struct Place {
    std::int32_t turns;  ///< that its shard has had
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
  /// A turn that was given and of which it is not yet known when it became a login.
  struct Given {
    Ids ids;  ///< of which READY has not come
    std::uint64_t ask;
    Time until;
    std::optional<Time> sent;  ///< of a login
  };
  struct Bucket {
    Time last;                  ///< the latest moment of its last IDENTIFY
    std::optional<Key> holder;  ///< whose IDENTIFY that is
    Time before;                ///< `last` without the holder's
    Time unasked{};             ///< the last IDENTIFY without a permit
  };
  using Queue = std::map<Place, Waiting>;

  void enqueue(Key key, Waiting waiting);
  void leave(std::map<Key, Place>::iterator waiting);
  void leave(Queue::iterator at);
  void count_waiting(const Ids& ids, std::int32_t change);
  void hold(const Key& key, const Ids& ids, std::uint64_t ask, Time until, Time now);
  void give_back(std::map<Key, Given>::iterator given);
  void release(std::map<Key, Given>::iterator given, Time last);
  void expire(Time now);
  void count(std::int64_t logins);
  Bucket& bucket_of(std::int32_t bucket);
  /// visit(bucket, how many of the ids are in it), for each that one of them is in.
  template <class Visit>
  void for_each_bucket(const Ids& ids, Visit visit) const;
  [[nodiscard]] std::int32_t bucket_of(ShardId id) const { return id.value % limits_->max_concurrency; }
  [[nodiscard]] Time free_at(std::int32_t bucket, const Key* key) const;
  [[nodiscard]] bool exhausted(Time now, std::size_t ids) const;
  [[nodiscard]] std::size_t logins_of(const Key& key, const Ids& ids) const;

  Time since_;
  std::size_t before_ = 1;  ///< ids that one process may have been logging in with at `since_`
  std::optional<IdentifyLimits> limits_;
  bool drifted_ = false;
  Millis patience_ = kLoginPatience;
  Queue queue_;
  std::map<Key, Place> waiting_;  ///< of each, its place in the queue
  /// The logins that wait in each bucket; a look at the queue ends where each of these has its next.
  std::map<std::int32_t, std::int32_t> waiting_in_;
  std::map<ShardName, std::int32_t> turns_;  ///< had since nobody waited
  std::map<Key, Given> given_;
  std::map<std::int32_t, Bucket> buckets_;
};

}  // namespace smaster::fleet
