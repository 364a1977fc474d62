// Who may log in when: Discord takes one login a bucket (shard id mod max_concurrency) every five seconds,
// and so many a day. Starts wait here for their turn. Pure: time comes in. Source: WIRE.md, "Discord's own
// rules".
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "base/types.hpp"

namespace smaster::fleet {

/// Between two logins in one bucket.
inline constexpr Millis kIdentifyInterval{5'000};

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
  /// Nothing is known to have logged in before `now`, and everything may have at `now`: the first start of a
  /// bucket comes an interval later.
  explicit IdentifyQueue(Time now) : since_(now) {}
  /// The same from now on: somebody else has let starts go until now.
  void take_over(Time now) { since_ = now; }

  /// Before `now` somebody may have begun to log in with so many ids, one after the other.
  void assume_started(std::size_t ids) { before_ = std::max(before_, ids); }

  /// Without limits everything may start at once.
  void limit(std::optional<IdentifyLimits> limits) { limits_ = limits; }
  [[nodiscard]] const std::optional<IdentifyLimits>& limits() const { return limits_; }

  /// The shard wants to start with these ids, each of which logs in; asking again changes nothing. Those come
  /// first that have had the fewest turns since nobody waited, so that one that starts again and again holds
  /// nobody up; of these the lowest id.
  void want(const ShardName& shard, const std::vector<ShardId>& ids);
  /// It no longer does.
  void forget(const ShardName& shard);
  [[nodiscard]] bool wants(const ShardName& shard) const { return waiting_.contains(shard); }

  /// Those whose turn it is now; they have left the queue, and count.
  [[nodiscard]] std::vector<ShardName> due(Time now);
  /// When `due` has something to give again; nothing while nobody waits.
  [[nodiscard]] std::optional<Time> next(Time now) const;
  /// When the last of those who wait has had its turn, as things are.
  [[nodiscard]] std::optional<Time> all_started(Time now) const;
  [[nodiscard]] std::size_t waiting() const { return waiting_.size(); }

 private:
  using Ids = std::vector<ShardId>;
  struct Place {
    std::int32_t turns;  ///< that it has had
    ShardId first;
    ShardName shard;
    auto operator<=>(const Place&) const = default;
  };
  struct Waiting {
    Ids ids;
    Place place;
  };
  void leave(std::map<ShardName, Waiting>::iterator waiting);
  /// How many of the ids are in each bucket.
  [[nodiscard]] std::map<std::int32_t, std::int32_t> buckets_of(const Ids& ids) const;
  [[nodiscard]] Time free_at(std::int32_t bucket) const;
  [[nodiscard]] bool exhausted(Time now, std::size_t ids) const;

  Time since_;
  std::size_t before_ = 1;  ///< ids that one process may have been logging in with at `since_`
  std::optional<IdentifyLimits> limits_;
  std::map<ShardName, Waiting> waiting_;
  std::set<Place> queue_;
  std::map<ShardName, std::int32_t> turns_;  ///< had since nobody waited
  std::map<std::int32_t, Time> last_;        ///< each bucket's last login
};

}  // namespace smaster::fleet
