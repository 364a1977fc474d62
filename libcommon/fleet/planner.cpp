#include "fleet/planner.hpp"

#include <algorithm>

namespace smaster::fleet {
namespace {

constexpr std::int32_t kMasterId = 1000;  ///< the original master's choice

/// Which ids of the goal are spoken for.
class Ids {
 public:
  explicit Ids(ShardCount goal) : taken_(static_cast<std::size_t>(goal.value)) {}

  /// False when the id lies outside the goal or is taken.
  bool take(ShardId id) {
    if (!id.bound() || static_cast<std::size_t>(id.value) >= taken_.size()) return false;
    const auto at = static_cast<std::size_t>(id.value);
    if (taken_[at]) return false;
    return taken_[at] = true;
  }

  /// The lowest free id, now taken; kNoShard when there is none.
  ShardId take_lowest() {
    while (lowest_ < taken_.size() && taken_[lowest_]) ++lowest_;
    if (lowest_ == taken_.size()) return kNoShard;
    taken_[lowest_] = true;
    return ShardId{static_cast<std::int32_t>(lowest_)};
  }

 private:
  std::vector<bool> taken_;
  std::size_t lowest_ = 0;
};

Generate missing_config(const std::vector<Member>& members, const PlanSettings& settings) {
  if (!settings.auto_generate) return Generate::nothing;
  const auto shards =
      std::count_if(members.begin(), members.end(), [](const Member& m) { return !m.info->is_master; });
  if (shards < settings.goal.value) return Generate::shard;
  return shards == static_cast<std::ptrdiff_t>(members.size()) ? Generate::master : Generate::nothing;
}

void assign(Plan& plan, const ShardInfo& info, ShardId id, ShardCount count) {
  if (info.goal_shard_id != id || info.goal_shard_count != count)
    plan.assignments.push_back({info.id, id, count});
}

}  // namespace

ShardId master_id(ShardCount goal) { return ShardId{std::max(kMasterId, goal.value)}; }

Plan plan(const std::vector<Member>& members, const PlanSettings& settings) {
  Plan plan;
  if (!settings.goal.known()) return plan;
  plan.generate = missing_config(members, settings);

  // Whoever has an id of the goal keeps it, connected or not: a shard that vanishes and returns runs the same
  // id. Those of the right count come first, so that an old generation never takes an id from the new one.
  Ids ids(settings.goal);
  std::vector<const Member*> without;
  std::vector<const Member*> old_count;
  for (const auto& member : members) {
    const auto& info = *member.info;
    if (info.is_master) {
      if (info.registered()) assign(plan, info, master_id(settings.goal), settings.goal);
    } else if (info.goal_shard_id.bound() && info.goal_shard_count != settings.goal) {
      old_count.push_back(&member);
    } else if (!ids.take(info.goal_shard_id)) {
      without.push_back(&member);
    }
  }
  for (const auto* member : old_count) {
    if (ids.take(member->info->goal_shard_id)) {
      assign(plan, *member->info, member->info->goal_shard_id, settings.goal);
    } else {
      without.push_back(member);
    }
  }
  for (const auto* member : without) {
    const auto id = member->connected ? ids.take_lowest() : kNoShard;
    assign(plan, *member->info, id, id.bound() ? settings.goal : kNoCount);
  }
  return plan;
}

}  // namespace smaster::fleet
