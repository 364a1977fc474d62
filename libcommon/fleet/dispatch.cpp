#include "fleet/dispatch.hpp"

#include <algorithm>
#include <utility>

namespace smaster::fleet {
namespace {

/// What a bot gets to end before its shard is told to start it again.
constexpr Millis kStopPatience{10'000};

}  // namespace

void Dispatch::add(Seat& seat) {
  seats_.emplace(seat.info.id, &seat);
  planner_.add(seat);
  identify_.assume_started(seat.info.goal.ids.size());
  for (const auto& role : seat.info.may_run) identify_.assume_started(role.ids.size());
}

void Dispatch::remove(Seat& seat) {
  identify_.forget(seat.info.id);
  untold_.erase(seat.info.id);
  parked_.erase(seat.info.id);
  planner_.remove(seat);
  seats_.erase(seat.info.id);
}

void Dispatch::joined(Seat& seat, bool agent, Time now) {
  seat.connected = true;
  seat.joined = now;
  seat.awaiting_status = agent;
  untell(seat);
}

void Dispatch::left(Seat& seat) {
  seat.connected = false;
  if (seat.respawn_due) seat.respawn_owed = seat.respawn_asked;
  seat.stops_until = kNever;
  seat.must_log_in = false;  // when it returns it says what it runs
  seat.respawn_due = seat.asks_to_start = seat.awaiting_status = false;
  identify_.forget(seat.info.id);
  untold_.erase(seat.info.id);
  planner_.changed(seat);
}

std::optional<Parked> Dispatch::status(Seat& seat, const ShardStatus& status, Time now) {
  if (seat.awaiting_status) {
    believe_first_status(status, seat.info);
  } else {
    believe_status(status, seat.info);
  }
  const bool told_to_stop = seat.parked || seat.stops_until != kNever;
  if (told_to_stop && !status.goal.bound() && !status.current.bound()) {
    seat.info.current = {};
    seat.info.may_run.clear();
  }
  seat.settled = status.goal == seat.info.goal && status.current == seat.info.goal;
  seat.ready = !status.bot || status.bot->ready.value_or(true);
  planner_.changed(seat);
  const auto parked = count_failures(seat, status, now);
  seat.awaiting_status = false;
  const auto owed = std::exchange(seat.respawn_owed, kNever);
  if (owed != kNever && seat.info.runs_goal() && status.start_time <= owed) respawn(seat, now);
  return parked;
}

// ---- telling ----

void Dispatch::untell(Seat& seat) {
  seat.told = false;
  seat.queued = true;
  if (seat.connected) untold_.insert(seat.info.id);  // another is told when it connects
  planner_.changed(seat);
}

void Dispatch::tell_anew(Seat& seat, Time now) {
  untell(seat);
  remind(seat, now);
}

/// A bot that is to start logs in, and waits for its turn; one that already runs what it is told does not.
void Dispatch::remind(Seat& seat, Time now) {
  if (!seat.connected || seat.saving > 0 || seat.awaiting_status) return;
  const auto& info = seat.info;
  if (info.current.bound() && now < seat.stops_until) return;
  seat.stops_until = kNever;
  const bool parks = !info.is_master && parked_until(seat, now).has_value();
  if (std::exchange(seat.parked, parks) && !parks) untell(seat);
  if (parks) {
    parked_.insert(info.id);
    identify_.forget(info.id);
    return send(seat, Role{}, false, now);
  }
  const bool runs = info.runs_goal() && seat.settled && !seat.must_log_in;
  const bool logs_in = !info.is_master && info.goal.bound() && !runs;
  if (logs_in && !seat.told) {
    untold_.erase(info.id);  // the queue has it now
    return identify_.want(info.id, info.goal.ids);
  }
  if (!seat.told && !seat.respawn_due) identify_.forget(info.id);
  send(seat, info.goal, false, now);
}

void Dispatch::send(Seat& seat, const Role& role, bool logs_in, Time now) {
  const bool fresh = !std::exchange(seat.told, true);
  seat.queued = false;
  if (logs_in || !role.bound()) seat.must_log_in = !role.bound();
  if (fresh && role.bound() && !seat.info.runs_goal()) {
    seat.restarting = true;
    seat.info.boot_time = now;  // a start has its time from here
  }
  untold_.erase(seat.info.id);
  planner_.changed(seat);
  orders_.push_back({Order::Kind::update, seat.info.id, role, logs_in});
}

void Dispatch::tell_all(Time now) {
  const std::vector<ShardName> names(untold_.begin(), untold_.end());
  for (const auto& name : names) remind(*seats_.at(name), now);
}

// ---- plans ----

Plan Dispatch::plan(Time now) {
  auto plan = planner_.step(now);
  for (const auto& assignment : plan.assignments) {
    auto& seat = *seats_.at(assignment.shard);
    untell(seat);
    ++seat.saving;
    seat.settled = false;
    // It waits as what it is to be now, or not at all.
    identify_.forget(assignment.shard);
  }
  for (const auto& name : plan.reboots) respawn(*seats_.at(name), now);
  tell_all(now);
  return plan;
}

void Dispatch::saved(const std::vector<Assign>& assignments, Time now) {
  for (const auto& assignment : assignments) {
    const auto found = seats_.find(assignment.shard);
    if (found != seats_.end()) --found->second->saving;
  }
  tell_all(now);
}

// ---- logins ----

void Dispatch::respawn(Seat& seat, Time now) {
  seat.respawn_asked = now;
  if (!seat.connected) {
    seat.respawn_owed = now;
    return;
  }
  if (breaker_.release(seat.info.goal.first(), now) || seat.parked) return tell_anew(seat, now);
  seat.respawn_due = true;
  identify_.want(seat.info.id, seat.info.goal.ids);
}

void Dispatch::respawn_after(Seat& seat, Millis delay) {
  if (!seat.connected) return;
  seat.restarting = true;
  orders_.push_back({Order::Kind::respawn, seat.info.id, {}, false, delay});
}

/// It waits as one that has not been told its goal, though not in the queue: its next status puts it there.
void Dispatch::stop_for_a_moment(Seat& seat, Time now) {
  (void)breaker_.release(seat.info.goal.first(), now);
  identify_.forget(seat.info.id);
  untold_.erase(seat.info.id);
  seat.told = seat.settled = seat.parked = seat.respawn_due = false;
  seat.queued = seat.restarting = seat.must_log_in = true;
  seat.stops_until = now + kStopPatience;
  planner_.changed(seat);
}

void Dispatch::reboot(Seat& seat, Time now) {
  if (!seat.connected || seat.saving > 0) return;
  stop_for_a_moment(seat, now);
  orders_.push_back({Order::Kind::update, seat.info.id, {}});
}

void Dispatch::exit(Seat& seat, Time now) {
  if (!seat.connected) return;
  if (seat.saving == 0) stop_for_a_moment(seat, now);
  orders_.push_back({Order::Kind::exit, seat.info.id, {}});
}

void Dispatch::ask_to_start(Seat& seat) {
  if (!seat.info.goal.bound() || seat.parked) return;  // it is about to hear that it is to run nothing
  seat.asks_to_start = true;
  identify_.want(seat.info.id, seat.info.goal.ids);
}

void Dispatch::order_start(Seat& seat, Order::Kind kind) {
  seat.restarting = true;
  orders_.push_back({kind, seat.info.id, {}, true});
}

void Dispatch::tick(Time now) {
  for (const auto& name : identify_.due(now)) {
    auto& seat = *seats_.at(name);
    if (seat.saving > 0) continue;  // it queues again when that is done
    const bool tells = !seat.told;
    if (tells) send(seat, seat.info.goal, true, now);
    // A new role restarts the bot anyway; an agent that asks may have had the role before.
    if (std::exchange(seat.respawn_due, false) && !tells) order_start(seat, Order::Kind::respawn);
    if (std::exchange(seat.asks_to_start, false)) order_start(seat, Order::Kind::start);
  }
  const std::vector<ShardName> parked(parked_.begin(), parked_.end());
  for (const auto& name : parked) {
    auto& seat = *seats_.at(name);
    if (parked_until(seat, now)) continue;
    parked_.erase(name);
    if (seat.parked) remind(seat, now);
  }
}

std::optional<Time> Dispatch::next(Time now) const {
  auto next = identify_.next(now);
  if (parked_.empty()) return next;
  // A seat that was given another id is no longer parked by the old one's failures.
  const auto released = breaker_.next(now).value_or(now);
  return std::min(next.value_or(Time::max()), released);
}

// ---- bots that fail ----

/// An agent counts its bot's deaths; of other shards we see that their bot started anew, and nobody asked it
/// to.
std::optional<Parked> Dispatch::count_failures(Seat& seat, const ShardStatus& status, Time now) {
  const auto before = std::exchange(seat.bot, BotStart(status));
  if (seat.info.is_master || !seat.info.goal.bound()) return std::nullopt;
  constexpr std::int64_t kMostAtOnce = 20;
  std::int64_t deaths = 0;
  auto lived = status.start_time - before.at;
  if (status.bot) {
    deaths = status.bot->deaths - before.deaths.value_or(status.bot->deaths);
    const bool again = status.start_time > status.stop_time;
    lived = status.stop_time - (again ? before.at : status.start_time);
  } else if (status.start_time != before.at && before.at != kNever) {
    deaths = std::exchange(seat.restarting, false) || !before.ran ? 0 : 1;
  }
  Millis pause{0};
  for (std::int64_t i = 0; i < std::min(deaths, kMostAtOnce); ++i) {
    pause = breaker_.failed(seat.info.goal.first(), lived, now);
  }
  if (pause == Millis{0}) return std::nullopt;
  tell_anew(seat, now);
  return Parked{seat.info.id, pause};
}

}  // namespace smaster::fleet
