#include "fleet/orders.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace smaster::fleet {
namespace {

/// Time for a bot to stop, before its shard is told to start it again.
constexpr Millis kStopPatience{10'000};

}  // namespace

void Orders::add(Seat& seat) {
  seats_.emplace(seat.info.id, &seat);
  planner_.add(seat);
  identify_.assume_started(seat.info.id, seat.info.goal.ids.size());
  for (const auto& runs : seat.info.may_run) identify_.assume_started(seat.info.id, runs.ids.size());
}

void Orders::remove(Seat& seat) {
  identify_.heard(seat.info.id);
  identify_.forget(seat.info.id);
  untold_.erase(seat.info.id);
  unsure_.erase(seat.info.id);
  unwell_.erase(seat.info.id);
  unheard_.erase({seat.joined, seat.info.id});
  asking_kinds_.remove(seat.info.id);
  identify_.forget_logins(seat.info.id);
  planner_.remove(seat);
  seats_.erase(seat.info.id);
}

void Orders::joined(Seat& seat, bool agent, Time now) {
  seat.joined = now;
  enter(seat, agent ? Stage::unheard : Stage::untold);
  if (agent) unheard_.emplace(now, seat.info.id);
}

void Orders::left(Seat& seat) {
  enter(seat, Stage::away);
  if (seat.respawn_due) seat.respawn_owed = seat.respawn_asked;
  asking_kinds_.end_trial(seat.info.id);
  seat.must_log_in = false;  // its next status after it reconnects will tell
  seat.respawn_due = seat.asks_to_start = false;
  identify_.forget(seat.info.id);
  identify_.forget_logins(seat.info.id);
}

std::optional<Parked> Orders::status(Seat& seat, const ShardStatus& status, Time now) {
  const bool first = seat.stage == Stage::unheard;
  if (first) {
    believe_first_status(status, seat.info);
  } else {
    believe_status(status, seat.info);
  }
  const bool told_to_stop = seat.stage == Stage::parked || seat.stage == Stage::stopping;
  if (told_to_stop && !status.goal.bound() && !status.current.bound()) {
    seat.info.current = {};
    seat.info.may_run.clear();
  }
  seat.settled = status.goal == seat.info.goal && status.current == seat.info.goal;
  follow_login(seat, status, first, now);
  follow_gateway(seat, status, now);
  planner_.changed(seat);
  const auto parked = count_failures(seat, status, now);
  const bool stopped = seat.stage == Stage::stopping && !seat.info.current.bound();
  if (first || stopped) enter(seat, Stage::untold);
  if (first && std::exchange(seat.asks_to_start, false)) ask_to_start(seat);
  const auto owed = std::exchange(seat.respawn_owed, kNever);
  if (owed != kNever && seat.info.runs_goal() && status.start_time <= owed) respawn(seat, now);
  return parked;
}

// ---- telling ----

void Orders::enter(Seat& seat, Stage stage) {
  if (seat.stage == stage) return;
  assert(may_follow(seat.stage, stage));
  if (seat.stage == Stage::unheard) unheard_.erase({seat.joined, seat.info.id});
  seat.stage = stage;
  if (stage == Stage::untold) {
    untold_.insert(seat.info.id);
  } else {
    untold_.erase(seat.info.id);
  }
  planner_.changed(seat);
}

/// Its assignment, or something sent along with it, has changed. A seat that is away, unheard or stopping is
/// told when that is over.
void Orders::untell(Seat& seat) {
  if (seat.stage == Stage::waiting || seat.stage == Stage::told || seat.stage == Stage::parked) {
    enter(seat, Stage::untold);
  }
}

void Orders::tell_anew(Seat& seat, Time now) {
  untell(seat);
  remind(seat, now);
}

/// Sends a seat its assignment. If its bot must log in for that, it first waits for its turn.
void Orders::remind(Seat& seat, Time now) {
  if (!seat.connected() || seat.stage == Stage::unheard || seat.saving > 0) return;
  const auto& info = seat.info;
  if (seat.stage == Stage::stopping) {
    if (info.current.bound() && now < seat.stops_until) return;
    enter(seat, Stage::untold);
  }
  const auto pause = parked_until(seat, now);
  const bool parks = !info.is_master && (pause || seat.refused != 0);
  if (parks != seat.parked()) untell(seat);
  if (parks) {
    if (pause) pauses_.emplace(*pause, info.id);
    identify_.forget(info.id);
    return send(seat, Stage::parked, Assignment{}, false, now);
  }
  const bool runs = info.runs_goal() && seat.settled && !seat.must_log_in;
  const bool logs_in = !info.is_master && info.goal.bound() && !runs;
  if (logs_in && seat.queued()) {
    if (asks(seat) && identify_.limits()) return send(seat, Stage::told, info.goal, true, now);
    enter(seat, Stage::waiting);
    return want_start(seat);
  }
  if (seat.queued() && !seat.respawn_due) identify_.forget(info.id);
  send(seat, Stage::told, info.goal, false, now);
}

void Orders::send(Seat& seat, Stage stage, const Assignment& assignment, bool logs_in, Time now) {
  const bool fresh = seat.queued();
  if (logs_in || !assignment.bound()) seat.must_log_in = !assignment.bound();
  if (fresh && assignment.bound() && !seat.info.runs_goal()) {
    seat.restarting = true;
    seat.info.boot_time = now;  // the time limit of the start counts from here
  }
  enter(seat, stage);
  planner_.changed(seat);
  orders_.push_back({Order::Kind::update, seat.info.id, assignment, logs_in});
}

/// Reminds the seats that have not been told their goal. False if `most` was reached. Seats that cannot be
/// told yet remain.
bool Orders::tell_all(Time now, std::size_t most) {
  auto at = told_until_ ? untold_.upper_bound(*told_until_) : untold_.begin();
  told_until_.reset();
  while (at != untold_.end()) {
    const auto name = *at++;
    remind(*seats_.at(name), now);
    if (--most == 0 && at != untold_.end()) {
      told_until_ = name;
      return false;
    }
  }
  return true;
}

// ---- plans ----

Plan Orders::plan(Time now, std::size_t most) {
  tell_ready(now);
  auto plan = planner_.step(now, most);
  for (const auto& change : plan.changes) {
    auto& seat = *seats_.at(change.shard);
    untell(seat);
    ++seat.saving;
    seat.settled = false;
    seat.refused = 0;  // a refusal may not apply to another count
    // A turn in the queue was for the old assignment.
    identify_.forget(change.shard);
  }
  for (const auto& name : plan.reboots) respawn(*seats_.at(name), now);
  restart_the_unwell(plan, now, most);
  plan.more = !tell_all(now, most) || plan.more;
  return plan;
}

void Orders::saved(std::span<const Change> changes, Time now) {
  for (const auto& change : changes) {
    const auto found = seats_.find(change.shard);
    // A seat may have been removed and added again while a change of the old one was saved.
    if (found == seats_.end() || found->second->saving == 0) continue;
    --found->second->saving;
    remind(*found->second, now);
  }
}

// ---- logins ----

void Orders::respawn(Seat& seat, Time now, std::optional<Millis> delay) {
  if (delay) {
    if (!seat.connected()) return;
    seat.restarting = true;
    orders_.push_back({Order::Kind::respawn, seat.info.id, {}, false, *delay});
    return;
  }
  seat.respawn_asked = now;
  if (!seat.connected() || seat.stage == Stage::unheard) {
    seat.respawn_owed = now;
    return;
  }
  seat.refused = 0;
  if (breaker_.release(seat.info.goal.first(), now) || seat.parked()) return tell_anew(seat, now);
  if (seat.stage == Stage::stopping) return;  // it starts again anyway
  seat.respawn_due = true;
  want_start(seat);
}

/// Its process waits for its turn.
void Orders::want_start(const Seat& seat) {
  identify_.want(seat.info.id, seat.info.goal.ids, login_times_.patience(seat.kind));
}

/// Its next status ends the stage, or the time limit.
void Orders::stop_for_a_moment(Seat& seat, Time now) {
  (void)breaker_.release(seat.info.goal.first(), now);
  seat.refused = 0;
  identify_.forget(seat.info.id);
  seat.settled = seat.respawn_due = false;
  seat.restarting = seat.must_log_in = true;
  seat.stops_until = now + kStopPatience;
  pauses_.emplace(seat.stops_until, seat.info.id);
  if (seat.stage != Stage::unheard) enter(seat, Stage::stopping);
}

void Orders::reboot(Seat& seat, Time now) {
  if (!seat.connected() || seat.saving > 0) return;
  stop_for_a_moment(seat, now);
  orders_.push_back({Order::Kind::update, seat.info.id, {}});
}

void Orders::exit(Seat& seat, Time now) {
  if (!seat.connected()) return;
  if (seat.saving == 0) stop_for_a_moment(seat, now);
  orders_.push_back({Order::Kind::exit, seat.info.id, {}});
}

void Orders::ask_to_start(Seat& seat) {
  // Otherwise an order to stop is on its way.
  if (!seat.info.goal.bound() || seat.parked() || seat.stage == Stage::stopping) return;
  const bool heard = seat.stage != Stage::unheard;
  if (heard && asks(seat) && identify_.limits()) return order_start(seat, Order::Kind::start);
  seat.asks_to_start = true;
  if (heard) want_start(seat);  // otherwise with its first status
}

void Orders::order_start(Seat& seat, Order::Kind kind) {
  seat.restarting = true;
  orders_.push_back({kind, seat.info.id, {}, true});
}

void Orders::tick(Time now, std::size_t most) {
  // Before turns are given: those who are released leave the queue.
  if (release_at_ && *release_at_ <= now) release_askers(now, most);
  for (const auto& [kind, name, ids, ask, waited] : identify_.due(now, most)) {
    auto& seat = *seats_.at(name);
    if (kind == IdentifyQueue::Turn::Kind::login) {
      orders_.push_back(
          {Order::Kind::permit, name, Assignment(ids, seat.info.goal.count), true, waited, ask});
      continue;
    }
    seat.turn_from = seat.bot.at;
    if (seat.saving > 0) {  // queued again when the assignment is saved
      identify_.asks(name);
      continue;
    }
    const bool tells = seat.queued();
    if (tells) send(seat, Stage::told, seat.info.goal, true, now);
    // A new assignment restarts the bot anyway. For a bot that asks before logins, the assignment may have
    // been sent before.
    if (std::exchange(seat.respawn_due, false) && !tells) order_start(seat, Order::Kind::respawn);
    if (std::exchange(seat.asks_to_start, false)) order_start(seat, Order::Kind::start);
  }
  tell_ready(now);
  drop_the_unheard(now, most);
  for (auto left = most; left > 0 && !pauses_.empty() && pauses_.begin()->first <= now; --left) {
    const auto seat = seats_.find(pauses_.begin()->second);
    pauses_.erase(pauses_.begin());
    // Ignore outdated entries: a later pause, also of another id, has its own entry.
    if (seat == seats_.end()) continue;
    const bool parked = seat->second->parked() && seat->second->refused == 0;
    if (parked || seat->second->stage == Stage::stopping) remind(*seat->second, now);
  }
}

/// An agent that answers pings and sends no status would hold its ids for ever. Once disconnected it loses
/// them like any other.
void Orders::drop_the_unheard(Time now, std::size_t most) {
  for (; most > 0 && !unheard_.empty() && unheard_.begin()->first + patience_.assume_dead_after <= now;
       --most) {
    orders_.push_back({Order::Kind::drop, unheard_.begin()->second, {}});
    unheard_.erase(unheard_.begin());
  }
}

std::optional<Time> Orders::next(Time now) const {
  auto next = identify_.next(now).value_or(Time::max());
  for (const auto& [name, at] : unsure_) next = std::min(next, at);
  if (!pauses_.empty()) next = std::min(next, pauses_.begin()->first);
  if (release_at_) next = std::min(next, *release_at_);
  if (!unheard_.empty()) next = std::min(next, unheard_.begin()->first + patience_.assume_dead_after);
  return next == Time::max() ? std::nullopt : std::optional(next);
}

// ---- bots that fail ----

/// Agents report deaths. For other shards, a new start of the bot that was not requested counts as a death.
std::optional<Parked> Orders::count_failures(Seat& seat, const ShardStatus& status, Time now) {
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
