// The planner: a pure function from what is known of the fleet, and the time, to what must be done about it.
// No clock, no sockets. Source: SPEC, "Planner". Its first rule is that one id of one generation never has
// two live bots: an id is given to a shard only when no other can still be running it.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "fleet/shard_info.hpp"

namespace smaster::fleet {

/// A shard as the planner sees it. What `info` says that it currently runs is believed until a status that
/// knows its present goal says otherwise (believe_status).
struct Member {
  const ShardInfo* info = nullptr;
  bool connected = false;
  Time reboot_asked = kNever;  ///< when it was last told to reboot because it was silent
  Millis margin{0};            ///< what its bot may take to end after the shard has given up its master
};

/// What the settings ask for, and what time it is. All times from the wall clock.
struct PlanSettings {
  ShardCount goal;            ///< unknown: nothing is assigned
  bool auto_generate = true;  ///< make configs for shards that the goal needs
  Millis request_reboot_after{120'000};
  Millis expect_reboot_after{180'000};
  Millis assume_dead_after{300'000};
  Time now = kNever;
  Time since = kNever;  ///< nobody's silence counts from before this: when the server began to listen
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
  std::vector<ShardName> reboots;   ///< silent ones, to be told to restart their bots
  Generate generate = Generate::nothing;
};

/// The id that the master shard is told: it is not on Discord, but −1 would shut its bot down. 1000, as the
/// original has it, or the first id beyond the goal for fleets larger than that.
[[nodiscard]] ShardId master_id(ShardCount goal);

/// What must change. `members` is ordered by name, which makes the plan deterministic.
[[nodiscard]] Plan plan(const std::vector<Member>& members, const PlanSettings& settings);

/// Makes an assignment in the registry's row: the new goal, its times, and what the shard may still be
/// running.
void apply(const Assign& assignment, ShardInfo& info, Time now);

/// Takes over what a status says the shard runs. One that does not know its present goal yet may be about to
/// start what it was told before, so it only counts for what it does run.
void believe_status(const ShardStatus& status, ShardInfo& info);

}  // namespace smaster::fleet
