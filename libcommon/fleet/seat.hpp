// A known shard as the planner sees it, and the rules that concern a single one: silent, dead, stuck, gone.
// Pure: time is passed in. Source: SPEC, "Planner".
#pragma once

#include <string_view>

#include "records/gateway_watch.hpp"
#include "records/shard_info.hpp"

namespace smaster::fleet {

/// The planner's timeouts.
struct Patience {
  Millis request_reboot_after{120'000};
  Millis expect_reboot_after{180'000};
  Millis assume_dead_after{300'000};
  Time since = kNever;  ///< start of listening: silence before this does not count
  bool operator==(const Patience&) const = default;
};

/// Identifies one start of a bot.
struct BotStart {
  Time at = kNever;
  bool ran = false;                    ///< it ran as a shard
  std::optional<std::int64_t> deaths;  ///< the agent's count of deaths

  BotStart() = default;
  explicit BotStart(const ShardStatus& status) : at(status.start_time), ran(status.current.bound()) {
    if (status.bot) deaths = status.bot->deaths;
  }
};

/// What a shard knows of its assignment. `may_follow` says which stage follows which.
enum class Stage {
  away,      ///< not connected
  unheard,   ///< an agent whose first status, which says what it runs, is awaited before it is told anything
  untold,    ///< is to be told its assignment
  waiting,   ///< its bot must log in for its assignment, and waits for its turn
  told,      ///< knows its assignment
  parked,    ///< told to run nothing, since its bot fails again and again or is refused
  stopping,  ///< told to run nothing for a moment: its bot is to end before it starts again
};
inline constexpr Stage kStages[] = {Stage::away, Stage::unheard, Stage::untold,  Stage::waiting,
                                    Stage::told, Stage::parked,  Stage::stopping};
[[nodiscard]] std::string_view to_string(Stage stage);
/// The transitions of docs/architecture.md, "A seat's stages".
[[nodiscard]] bool may_follow(Stage from, Stage to);

/// A shard and its state. `info.current` is kept until a status that knows the current goal contradicts it
/// (believe_status).
struct Seat {
  explicit Seat(ShardInfo info_) : info(std::move(info_)) {}

  ShardInfo info;
  Stage stage = Stage::away;   ///< changed by Orders only
  Time joined = kNever;        ///< start of the connection
  bool ready = true;           ///< false: its bot reports that it is not logged in yet
  Time reboot_asked = kNever;  ///< when it was last told to reboot because of silence
  Millis margin{0};            ///< time its bot may need to end after the shard has given up its master

  // What it has been told; fleet/orders.hpp keeps these.
  unsigned saving = 0;            ///< changes that must be on disk before it hears of them
  bool settled = true;            ///< by its last status it knows its goal, and runs it
  bool must_log_in = false;       ///< was told to run nothing since it logged in: whatever late statuses say
  bool respawn_due = false;       ///< is to restart its bot when it is its turn to log in
  Time respawn_asked = kNever;    ///< when that was asked for
  Time respawn_owed = kNever;     ///< the same, of one that was away then
  Time stops_until = kNever;      ///< how long Stage::stopping may take at most
  bool asks_to_start = false;     ///< its agent waits for its turn to restart a bot that died
  bool restarting = false;        ///< its bot is about to start, and was asked to
  std::string kind;               ///< of its bot: those with the same program are alike; empty: not known
  bool asks = false;              ///< its bot asks before each login: its process need not wait for a turn
  bool mute = false;              ///< its bot was seen not to ask: others of its kind prove nothing
  Time turn_from = kNever;        ///< the start of the bot that its last turn is to replace
  GatewayWatch gateway;           ///< by what its bot tells of it
  std::int64_t refused = 0;       ///< Discord's close code: it is not tried again by itself; 0: none
  Time ready_process = kNever;    ///< when the bot was started that has logged in last
  Time refused_process = kNever;  ///< when the bot was started that was refused last
  BotStart bot;                   ///< by its last status

  [[nodiscard]] bool connected() const { return stage != Stage::away; }
  [[nodiscard]] bool parked() const { return stage == Stage::parked; }
  /// True if it is connected and has not been told its present assignment, so nothing is expected of it yet.
  [[nodiscard]] bool queued() const { return connected() && stage != Stage::told && stage != Stage::parked; }

  /// The last sign of life. Connecting counts, and so does an assignment while connected.
  [[nodiscard]] Time last_sign(const Patience& patience) const {
    const auto own = connected() ? std::max(info.boot_time, joined) : info.last_seen;
    return std::max({info.last_heartbeat, own, patience.since});
  }
  /// How long it has been silent. While it waits for its turn, no sign of life is expected; while it is
  /// unheard, its first status is.
  [[nodiscard]] Millis silent(const Patience& patience, Time now) const {
    return queued() && stage != Stage::unheard ? Millis{0} : now - last_sign(patience);
  }
  /// The time by which it must have stopped its bot because of silence.
  [[nodiscard]] Time gone_at(const Patience& patience) const {
    return std::max(info.last_seen, patience.since) + std::max(patience.assume_dead_after, info.holder.term) +
           margin;
  }
  /// True if its agent has stopped cleanly: nothing runs, and its ids may go to spares at once.
  [[nodiscard]] bool left() const { return !connected() && info.holder.left; }
  /// True if its bot cannot be running any more. A connected shard is never gone.
  [[nodiscard]] bool gone(const Patience& patience, Time now) const {
    return !info.registered() || left() || (!connected() && now >= gone_at(patience));
  }
  [[nodiscard]] bool dead(const Patience& patience, Time now) const {
    return silent(patience, now) >= patience.assume_dead_after;
  }
  /// True if it was told to reboot and has not done so: it is then stopped.
  [[nodiscard]] bool stuck(const Patience& patience, Time now) const {
    return connected() && info.runs_goal() && silent(patience, now) >= patience.expect_reboot_after;
  }
  [[nodiscard]] bool wants_reboot(const Patience& patience, Time now) const {
    return connected() && info.runs_goal() && silent(patience, now) >= patience.request_reboot_after &&
           !stuck(patience, now) && reboot_asked <= std::max({info.last_heartbeat, info.boot_time, joined});
  }
  /// True if it may still run ids that were taken from it.
  [[nodiscard]] bool must_stop_first(const Patience& patience, Time now) const {
    return (info.current.bound() || !info.may_run.empty()) && !gone(patience, now);
  }
  /// True if it runs its goal, and is logged in as far as it reports that.
  [[nodiscard]] bool up() const { return connected() && info.runs_goal() && ready; }
  /// Until when a start counts as in progress.
  [[nodiscard]] Time start_until(const Patience& patience) const {
    return queued() ? Time::max() : info.boot_time + patience.request_reboot_after;
  }
};

}  // namespace smaster::fleet
