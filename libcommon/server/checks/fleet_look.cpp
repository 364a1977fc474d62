#include "server/checks/fleet_look.hpp"

#include <algorithm>
#include <utility>

#include "base/text.hpp"
#include "records/gateway_watch.hpp"

namespace smaster::server {
namespace {

using checks::Finding;

/// A larger difference is no delay of the network. Discord's and TLS' own checks allow minutes.
constexpr Millis kClockOff{30'000};
/// A config is new for this long: it may be on its way to its host.
constexpr Millis kConfigNew{600'000};
/// A bot that has not started after this time since its assignment is late.
constexpr Millis kStartLate{60'000};
constexpr std::size_t kMostPlaces = 1'000;
constexpr std::size_t kBlockersNamed = 5;

std::string words(Millis time) { return format_duration(std::chrono::round<std::chrono::seconds>(time)); }

bool runs_badly(std::string_view state) {
  for (const std::string_view bad :
       {"silent", "deaf", "hung", "disconnected", "refused", "crashing", "parked", "offline", "dead"}) {
    if (state == bad) return true;
  }
  return false;
}

}  // namespace

bool FleetLook::is_first(const char* kind, const std::string& place) {
  if (place.empty() || places_.size() >= kMostPlaces) return true;
  return places_.insert(kind + (' ' + place)).second;
}

void FleetLook::add(const Shard& shard, std::string_view state, const std::string& address) {
  const auto& info = shard.info;
  if (info.is_master) return;
  ++known_;
  capacity_ += info.capacity;
  connected_ += shard.connected() ? 1 : 0;
  const bool of_goal = info.goal.bound() && info.goal.count == goal_;
  if (of_goal) assigned_ += static_cast<std::int64_t>(info.goal.ids.size());
  auto place = !info.host.empty() ? info.host : !info.holder.machine.empty() ? info.holder.machine : address;
  const auto name = "shard " + info.id.str() +
                    (info.goal.bound() ? " (id " + fleet::ids_text(info.goal) + ")" : std::string()) +
                    (place.empty() ? "" : " on " + place);
  const bool late =
      of_goal && state != "running" && state != "queued" && now_.fleet - info.boot_time > kStartLate;
  if (info.goal.bound() && (runs_badly(state) || late) && blockers_.size() < kBlockersNamed) {
    blockers_.push_back(name + ", " + std::string(state));
  }
  look_at_connection(shard, state, name);
  look_at_bot(shard, state, name);
  if (shard.connected()) look_at_agent(shard, name, place);
}

void FleetLook::look_at_connection(const Shard& shard, std::string_view state, const std::string& name) {
  const auto& info = shard.info;
  const auto last_seen = " was last seen " + words(now_.fleet - info.last_seen) + " ago";
  if (state == "new") {
    if (info.created_time != fleet::kNever && now_.wall - info.created_time < kConfigNew) return;
    shards_.warn(
        name + " has never connected",
        "run an agent with its config on its host (smaster agent --check finds what prevents it), or "
        "revoke it: smaster shards rm NAME");
  } else if (state == "dead") {
    shards_.fail(name + last_seen, "start its host or agent again, or revoke it: smaster shards rm NAME");
  } else if (state == "offline" && info.goal.bound()) {
    shards_.warn(name + " is offline, and" + last_seen, "look at its host and its agent's log");
  } else if (state == "silent") {
    shards_.warn(name + " is connected and silent",
                 "smaster respawn --shard ID; look at the load of its host");
  }
  if (shard.duplicate && now_.fleet - shard.duplicate->seen <= fleet::kDuplicateShown) {
    const auto& other = *shard.duplicate;
    duplicates_.fail("the config of " + name + " is used also " +
                         (other.machine.empty() ? "at " : "on " + other.machine + " at ") + other.address,
                     "stop one of the two, and make another config with smaster genconfig");
  }
}

void FleetLook::look_at_bot(const Shard& shard, std::string_view state, const std::string& name) {
  const auto* const bot = shard.status && shard.status->bot ? &*shard.status->bot : nullptr;
  const auto exit =
      bot != nullptr && !bot->last_exit.empty() ? ", at last with " + bot->last_exit : std::string();
  const char* const look =
      "read the bot's output in its agent's log; smaster respawn --shard ID tries at once";
  if (state == "refused") {
    bots_.fail("Discord refuses the bot of " + name + " with close code " + std::to_string(shard.refused) +
                   ": " + std::string(fleet::refusal_words(shard.refused)),
               "correct that, then smaster respawn --shard ID");
  } else if (state == "parked") {
    bots_.fail("the bot of " + name + " fails again and again and is parked" + exit, look);
  } else if (state == "crashing") {
    bots_.fail("the bot of " + name + " dies again and again" + exit, look);
  } else if (state == "hung" || state == "deaf" || state == "disconnected") {
    bots_.warn("the bot of " + name + " is " + std::string(state),
               "smaster shard ID shows why; smaster respawn --shard ID");
  }
}

void FleetLook::look_at_agent(const Shard& shard, const std::string& name, const std::string& place) {
  if (shard.status && shard.status_at != Instant{}) {
    const auto then = now_.wall - std::chrono::duration_cast<Millis>(now_.steady - shard.status_at);
    const auto off = shard.status->timestamp - then;
    if (std::chrono::abs(off) > kClockOff && is_first("clock", place)) {
      clock_.warn("the clock of " + name + " is " + words(std::chrono::abs(off)) +
                      (off > Millis{0} ? " ahead" : " behind"),
                  "set the host's clock by NTP: timedatectl set-ntp true");
    }
  }
  const auto* const bot = shard.status && shard.status->bot ? &*shard.status->bot : nullptr;
  if (bot != nullptr && !bot->agent.empty()) {
    ++agents_;
    if (bot->agent != SMASTER_VERSION && is_first("version", place)) {
      versions_.warn("the agent of " + name + " is " + bot->agent + ", this server " SMASTER_VERSION,
                     "install the same version there, and restart the agent");
    }
  }
  const bool root = shard.agent_root.value_or(false);
  const bool free = !shard.agent_confined.value_or(true);
  if ((root || free) && is_first("confinement", place)) {
    confinement_.warn("the agent of " + name + " runs " +
                          (root ? "as root" : "as a user that can gain privileges") +
                          (root && free ? " and unconfined" : ""),
                      "run it with smaster-agent@.service, or as a user of its own with NoNewPrivileges=yes");
  }
}

std::vector<Finding> FleetLook::findings() const {
  const auto count = std::to_string(connected_);
  return {
      clock_.finding("the clocks of " + count + " connected shards differ by less than " + words(kClockOff)),
      versions_.finding(std::to_string(agents_) + " agents have this server's version, " SMASTER_VERSION),
      confinement_.finding("no agent is known to run as root or unconfined"),
      duplicates_.finding("no config is used twice"),
      shards_.finding(count + " of " + std::to_string(known_) + " shards are connected"),
      bots_.finding("no bot fails, is refused or hangs")};
}

Finding FleetLook::check_goal(bool auto_count) const {
  checks::Check check("goal");
  if (!goal_.known()) {
    check.fail(auto_count ? "unknown: shards.count = \"auto\", and Discord has not said a count" : "unknown",
               "see the check token, or set shards.count to a number");
    return check.finding({});
  }
  const auto missing = goal_.value - assigned_;
  const auto lacking = goal_.value - capacity_;
  const auto goal = "the goal is " + std::to_string(goal_.value) + " shards";
  if (lacking > 0) {
    check.fail(goal + ", but the known configs have room for " + std::to_string(capacity_),
               "smaster genconfig --count " + std::to_string(lacking) +
                   ", and run an agent with each config; or a smaller goal: smaster reshard COUNT");
  } else if (missing > 0) {
    check.fail(goal + ", and no connected shard can take " + std::to_string(missing) + " of its ids",
               "start the agents that the check shards names");
  }
  return check.finding(goal + ", each has its shard");
}

Finding FleetLook::check_reshard(const fleet::Progress& progress, std::optional<Millis> login_in) const {
  checks::Check check("reshard");
  if (progress.old == 0) return check.finding("none is in progress");
  const auto state = std::to_string(progress.up) + " of " + std::to_string(goal_.value) + " ids are up, " +
                     std::to_string(progress.old) + " shards are of the old count";
  std::string waits;
  for (const auto& blocker : blockers_) waits += (waits.empty() ? "" : ", ") + blocker;
  if (!waits.empty()) {
    check.warn(state + "; it waits for " + waits,
               "start these shards, or revert it with smaster reshard OLDCOUNT");
  } else if (login_in && *login_in > std::chrono::minutes(1)) {
    check.warn(state + "; the next login may start in " + words(*login_in),
               "wait: Discord's limit of logins is used up");
  }
  return check.finding("in progress: " + state);
}

}  // namespace smaster::server
