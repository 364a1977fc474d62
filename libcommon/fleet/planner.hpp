// The planner: a pure function from what is known of the fleet to what must be done about it. No clock, no
// sockets. Source: SPEC, "Planner". The rules for dead shards, duplicates and paced resharding have their
// place in `plan`.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "fleet/shard_info.hpp"

namespace smaster::fleet {

/// A shard as the planner sees it.
struct Member {
  const ShardInfo* info = nullptr;
  bool connected = false;
};

/// What the settings ask for.
struct PlanSettings {
  ShardCount goal;            ///< unknown: nothing is assigned
  bool auto_generate = true;  ///< make configs for shards that the goal needs
};

/// Give this shard this id and count; −1 and −1 take its id away.
struct Assign {
  ShardName shard;
  ShardId id;
  ShardCount count;
  bool operator==(const Assign&) const = default;
};

/// Make one config for a new shard.
enum class Generate { nothing, shard, master };

struct Plan {
  std::vector<Assign> assignments;  ///< in the order in which they are to be made
  Generate generate = Generate::nothing;
};

/// The id that the master shard is told: it is not on Discord, but −1 would shut its bot down. 1000, as the
/// original has it, or the first id beyond the goal for fleets larger than that.
[[nodiscard]] ShardId master_id(ShardCount goal);

/// What must change. `members` is ordered by name, which makes the plan deterministic.
[[nodiscard]] Plan plan(const std::vector<Member>& members, const PlanSettings& settings);

}  // namespace smaster::fleet
