// The planner: from what is known of the fleet, and the time, to what must be done about it. No clock, no
// sockets. Source: SPEC, "Planner". Its first rule is that one id of one generation never has two live bots:
// an id is given to a shard only when no other can still be running it. It keeps an index
// (fleet/plan_index.hpp), so that a step costs what changed, not what exists; a planner that was just made
// from the same fleet returns the same plan.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

#include "fleet/seat.hpp"

namespace smaster::fleet {

/// How a fleet goes from one count to another.
enum class Strategy {
  at_once,     ///< everybody is told the new count at once
  rolling,     ///< so many at a time; the old generation's rest runs on until then
  blue_green,  ///< spares become the new generation; the old one stops when all of it is up
};
[[nodiscard]] std::string_view to_string(Strategy strategy);
[[nodiscard]] std::optional<Strategy> parse_strategy(std::string_view text);

/// What the settings ask for.
struct PlanSettings {
  ShardCount goal;            ///< unknown: nothing is assigned
  bool auto_generate = true;  ///< make configs for shards that the goal needs
  Patience patience;
  Strategy strategy = Strategy::at_once;
  unsigned max_down = 1;             ///< rolling: shards that may be down at a time
  bool rebalance = false;            ///< even out the ids over the hosts
  Millis gateway_patience{180'000};  ///< how long a bot may be without a gateway connection
  Millis login_patience{15'000};     ///< how long a bot that says nothing is not taken for logged in
  bool operator==(const PlanSettings&) const = default;
};

/// This shard was given this assignment; an unbound one takes its ids away.
struct Change {
  ShardName shard;
  Assignment assignment;
  bool operator==(const Change&) const = default;
};

/// Make one config for a new shard.
enum class Generate { nothing, shard, master };

/// Its bot lives and is not on Discord, or hears nothing from there: it is told to restart it.
struct Unwell {
  ShardName shard;
  Gateway gateway;
  Millis since;
  bool operator==(const Unwell&) const = default;
};

struct Plan {
  std::vector<Change> changes;     ///< in the order in which they were made
  std::vector<ShardName> reboots;  ///< silent ones, to be told to restart their bots
  std::vector<Unwell> unwell;      ///< the same of those without a gateway
  Generate generate = Generate::nothing;
  bool more = false;  ///< there is more to do than one step may; another is due at once
  bool operator==(const Plan&) const = default;
};

/// No limit to what one step does.
inline constexpr std::size_t kAll = std::numeric_limits<std::size_t>::max();

/// How far the fleet is on its way to the goal.
struct Progress {
  std::int64_t up = 0;      ///< ids of the goal that run
  std::int64_t placed = 0;  ///< that somebody was given
  std::int64_t moving = 0;  ///< shards that are starting
  std::int64_t old = 0;     ///< shards that have ids of another generation, or may have as far as is known
  std::int64_t spares = 0;  ///< ids that shards without any could take at once
};

/// The id that the master shard is told: it is not on Discord, but −1 would shut its bot down. 1000, as the
/// original has it, or the first id beyond the goal for fleets larger than that.
[[nodiscard]] ShardId master_id(ShardCount goal);

class PlanIndex;

class Planner {
 public:
  explicit Planner(const PlanSettings& settings);
  ~Planner();
  Planner(const Planner&) = delete;
  Planner& operator=(const Planner&) = delete;

  /// Looks at everybody anew when they differ.
  void set(const PlanSettings& settings);
  /// A new seat; it stays where it is.
  void add(Seat& seat);
  /// Anything of it may have changed.
  void changed(Seat& seat);
  /// It is no more: what it had is free.
  void remove(Seat& seat);

  /// Makes what must be done true in the seats' `info` and `reboot_asked`, and says what it was. A second
  /// step at the same time does nothing. `most`: so many seats are looked at, and so many orders given; what
  /// is then left is for further steps, which together do what one without a limit does.
  [[nodiscard]] Plan step(Time now, std::size_t most = kAll);
  [[nodiscard]] Progress progress() const;
  /// All is quiet, and no move would even out the hosts. Looks at all of the fullest one's seats.
  [[nodiscard]] bool is_even() const;

 private:
  std::unique_ptr<PlanIndex> index_;
};

/// Makes a change in the registry's row: the new goal, its times, and what the shard may still be
/// running.
void apply(const Assignment& assignment, ShardInfo& info, Time now);

/// Takes over what a status says the shard runs. One that does not know its present goal yet may be about to
/// start what it was told before, so it only counts for what it does run.
void believe_status(const ShardStatus& status, ShardInfo& info);

/// Takes over the first status of a connection on which the shard has been told nothing yet: it runs this,
/// and may start what it was told last.
void believe_first_status(const ShardStatus& status, ShardInfo& info);

}  // namespace smaster::fleet
