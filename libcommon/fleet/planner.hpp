// The planner: from the known state of the fleet and the time to the actions needed. No clock, no sockets.
// Source: SPEC, "Planner". Its first rule: one id of one generation never has two live bots. So an id is
// assigned only when no other shard can still be running it. It keeps an index (fleet/plan_index.hpp): the
// cost of a step depends on the number of changes, not on the size of the fleet. A new planner for the same
// fleet returns the same plan.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "fleet/seat.hpp"

namespace smaster::fleet {

/// How a fleet changes from one shard count to another.
enum class Strategy {
  at_once,     ///< all shards are told the new count at once
  rolling,     ///< max_down shards at a time; the others run on with the old count
  blue_green,  ///< idle shards become the new generation; the old one stops when all of it is up
};
[[nodiscard]] std::string_view to_string(Strategy strategy);
[[nodiscard]] std::optional<Strategy> parse_strategy(std::string_view text);

/// The planner's settings.
struct PlanSettings {
  ShardCount goal;            ///< unset: nothing is assigned
  bool auto_generate = true;  ///< generate configs for shards that the goal needs
  Patience patience;
  Strategy strategy = Strategy::at_once;
  unsigned max_down = 1;   ///< rolling: maximum number of shards that are down at the same time
  bool rebalance = false;  ///< even out the load of the hosts
  /// How long a bot may be without a gateway connection before it is restarted.
  Millis gateway_patience{180'000};
  Millis login_patience{15'000};  ///< when a bot that does not report its login counts as logged in
  /// Labels of hosts that get no further ids. Ids that run there move as far as other hosts have room for
  /// them, max_down shards at a time.
  std::set<std::string> drained;
  bool operator==(const PlanSettings&) const = default;
};

/// An assignment assigned to a shard; an unbound assignment takes its ids away.
struct Change {
  ShardName shard;
  Assignment assignment;
  bool operator==(const Change&) const = default;
};

/// A bot that runs without a working gateway connection, and is restarted.
struct Unwell {
  ShardName shard;
  Gateway gateway;
  Millis since;
  bool operator==(const Unwell&) const = default;
};

struct Plan {
  std::vector<Change> changes;     ///< in the order of their decisions
  std::vector<ShardName> reboots;  ///< silent shards, which are told to restart their bots
  std::vector<Unwell> unwell;      ///< bots restarted because of their gateway connection
  bool generate = false;           ///< a config is missing; one is generated at a time
  bool more = false;               ///< the step's limit was reached: another step is due at once
  bool operator==(const Plan&) const = default;
};

/// No limit for a step.
inline constexpr std::size_t kAll = std::numeric_limits<std::size_t>::max();

/// Progress of the fleet towards the goal.
struct Progress {
  std::int64_t up = 0;      ///< ids of the goal that are running
  std::int64_t placed = 0;  ///< ids of the goal that are assigned
  std::int64_t moving = 0;  ///< shards that are starting
  std::int64_t old = 0;     ///< shards with ids of another generation, and shards not judged yet
  std::int64_t spares = 0;  ///< number of ids that idle shards could take at once
  /// Ids of the goal whose bots Discord refuses, so that they are not tried again by themselves.
  std::int64_t refused = 0;
};

/// Ids that shards on a drained host have, or may still run.
struct Held {
  std::size_t ids = 0;
  std::size_t connected = 0;  ///< those of connected shards
};

/// Progress of draining a host.
struct Draining {
  std::size_t held = 0;  ///< Held::ids
  bool over = false;     ///< nothing is in transition, and what is held cannot be moved: there is no room
};

/// The id that the master shard is told. It has no shard on Discord, but −1 would stop its bot. 1000 as in
/// the original, or the first id beyond the goal for larger fleets.
[[nodiscard]] ShardId master_id(ShardCount goal);

class PlanIndex;

class Planner {
 public:
  explicit Planner(const PlanSettings& settings);
  ~Planner();
  Planner(const Planner&) = delete;
  Planner& operator=(const Planner&) = delete;

  /// If the settings differ, all seats are judged again.
  void set(const PlanSettings& settings);
  /// Adds a seat, which must not be moved in memory until `remove`.
  void add(Seat& seat);
  /// To be called after any change of the seat.
  void changed(Seat& seat);
  /// Removes a seat; its ids become free.
  void remove(Seat& seat);

  /// Applies the rules: changes the seats' `info` and `reboot_asked`, and returns the changes. Repeating it
  /// at the same time does nothing. `most`: limits the number of judged seats and of actions. Further steps
  /// do the rest, with the same total result as one unlimited step.
  [[nodiscard]] Plan step(Time now, std::size_t most = kAll);
  [[nodiscard]] Progress progress() const;
  /// True if the fleet is quiet and no move would even out the load. Checks all seats of the most loaded
  /// host.
  [[nodiscard]] bool is_even() const;
  /// Progress of draining a host.
  [[nodiscard]] Draining draining(const std::string& host) const;

 private:
  std::unique_ptr<PlanIndex> index_;
};

/// Applies a change to a registry row: the goal, its time, and the old goal as an assignment that may still
/// run.
void apply(const Assignment& assignment, ShardInfo& info, Time now);

/// Applies a status to a registry row. If it does not know the current goal yet, it may be about to start an
/// earlier one: then it only counts as a report of what is running.
void believe_status(const ShardStatus& status, ShardInfo& info);

/// Applies the first status on a connection, before the shard is told anything: it runs `current`, and may
/// start `goal`.
void believe_first_status(const ShardStatus& status, ShardInfo& info);

}  // namespace smaster::fleet
