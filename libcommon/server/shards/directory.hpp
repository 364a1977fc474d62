// All known shards, found by name, by shard id or by connection.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <unordered_map>
#include <vector>

#include "base/result.hpp"
#include "server/shards/reservation.hpp"
#include "server/shards/shard.hpp"

namespace smaster::server {

class Directory {
 public:
  [[nodiscard]] Shard* find(const ShardName& name) const;
  [[nodiscard]] std::map<ShardName, Shard>& shards() { return shards_; }
  [[nodiscard]] const std::map<ShardName, Shard>& shards() const { return shards_; }
  /// The shard and its further processes, as far as they are known.
  [[nodiscard]] std::set<ShardName> processes_of(const ShardName& name) const;
  /// The target shard count; `holder` finds its ids.
  [[nodiscard]] ShardCount goal() const { return goal_; }
  void set_goal(ShardCount goal) { goal_ = goal; }
  /// All ids of the goal, assigned or not.
  [[nodiscard]] std::vector<ShardId> all_ids() const;
  /// The shard with this id of the present goal, connected or not; while the count changes, a shard of the
  /// old generation if no other has the id. Null: none. The master shard has no id.
  [[nodiscard]] Shard* holder(ShardId id) const;
  /// Number of shards that have ever connected, without master shards.
  [[nodiscard]] std::size_t registered() const { return registered_; }
  /// A connected master shard; null: none.
  [[nodiscard]] const Shard* live_master() const;

  /// Admits a connection of this shard. Errors: not_found; not_permitted for a master shard while another is
  /// connected or connecting.
  [[nodiscard]] Result<Reservation> reserve(const ShardName& name);
  /// The session of a connection; null if it has ended or was replaced.
  [[nodiscard]] ShardSession* session(const ShardRef& ref) const;

  /// Adds a shard; null if one of that name is known.
  Shard* insert(fleet::ShardInfo info);
  /// Updates the index of ids after the shard's assignment has changed.
  void list(Shard& shard);
  /// Records a message of the shard, maybe its first one.
  void heard(Shard& shard, Time now);
  /// Forgets the shard's further processes and returns their names.
  std::set<ShardName> take_processes(const ShardName& name);
  void erase(Shard& shard);

 private:
  [[nodiscard]] static bool counts_as_registered(const Shard& shard);

  std::map<ShardName, Shard> shards_;
  std::unordered_map<ShardName, Shard*> index_;                   ///< index of shards_, used for each message
  std::unordered_map<ShardName, std::set<ShardName>> processes_;  ///< further processes, by the shard's name
  std::unordered_map<std::int32_t, std::vector<Shard*>> holders_;  ///< by shard id, of any count
  std::set<ShardName> masters_;
  std::size_t registered_ = 0;
  std::uint64_t registrations_ = 0;        ///< number of registrations so far
  std::uint64_t connections_ = 0;          ///< number of reservations so far
  std::weak_ptr<const ShardName> master_;  ///< the master shard that was admitted
  ShardCount goal_;
};

}  // namespace smaster::server
