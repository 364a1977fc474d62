// Every known shard, and who is found by what: by name, by shard id, by connection.
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
  /// The count that the fleet is to have; ids of it are what `holder` finds.
  [[nodiscard]] ShardCount goal() const { return goal_; }
  void set_goal(ShardCount goal) { goal_ = goal; }
  /// The ids of the goal, those that nobody has among them.
  [[nodiscard]] std::vector<ShardId> all_ids() const;
  /// Who has this id of the present goal, connected or not; while the count changes, the old generation
  /// stands in for what is not there yet. Null: nobody; the master has none.
  [[nodiscard]] Shard* holder(ShardId id) const;
  /// Shards that have been here, masters aside.
  [[nodiscard]] std::size_t registered() const { return registered_; }
  /// A master shard that is connected, if any.
  [[nodiscard]] const Shard* live_master() const;

  /// A connection of this shard may come; not_permitted for a master shard while another is connected or
  /// about to be.
  [[nodiscard]] Result<Reservation> reserve(const ShardName& name);
  /// The connection, unless it has ended or was replaced.
  [[nodiscard]] ShardSession* session(const ShardRef& ref) const;

  /// A new shard; null where one of that name is known.
  Shard* insert(fleet::ShardInfo info);
  /// Its assignment has changed: it is found by its new ids.
  void list(Shard& shard);
  /// It is heard now, maybe for the first time.
  void heard(Shard& shard, Time now);
  /// Forgets which further processes this shard has; returns their names.
  std::set<ShardName> take_processes(const ShardName& name);
  void erase(Shard& shard);

 private:
  [[nodiscard]] static bool counts_as_registered(const Shard& shard);

  std::map<ShardName, Shard> shards_;
  std::unordered_map<ShardName, Shard*> index_;  ///< of the same: each message's shard is looked up
  std::unordered_map<ShardName, std::set<ShardName>> processes_;   ///< further ones, by the first one's name
  std::unordered_map<std::int32_t, std::vector<Shard*>> holders_;  ///< by shard id, of any count
  std::set<ShardName> masters_;
  std::size_t registered_ = 0;
  std::uint64_t registrations_ = 0;        ///< made so far
  std::uint64_t connections_ = 0;          ///< reserved so far
  std::weak_ptr<const ShardName> master_;  ///< a master shard that was admitted
  ShardCount goal_;
};

}  // namespace smaster::server
