#include "fleet/dispatch.hpp"

#include <algorithm>
#include <utility>

namespace smaster::fleet {
namespace {

/// Time for a bot to stop, before its shard is told to start it again.
constexpr Millis kStopPatience{10'000};

}  // namespace

std::optional<LoginEvent> parse_login_event(std::string_view word) {
  constexpr std::pair<std::string_view, LoginEvent> kWords[] = {
      {"asks", LoginEvent::asks},   {"mute", LoginEvent::mute},     {"sent", LoginEvent::sent},
      {"ready", LoginEvent::ready}, {"cancel", LoginEvent::cancel}, {"ended", LoginEvent::ended},
      {"died", LoginEvent::died}};
  for (const auto& [text, event] : kWords) {
    if (word == text) return event;
  }
  return std::nullopt;
}

void Dispatch::add(Seat& seat) {
  seats_.emplace(seat.info.id, &seat);
  planner_.add(seat);
  identify_.assume_started(seat.info.goal.ids.size());
  for (const auto& role : seat.info.may_run) identify_.assume_started(role.ids.size());
}

void Dispatch::remove(Seat& seat) {
  identify_.forget(seat.info.id);
  untold_.erase(seat.info.id);
  unsure_.erase(seat.info.id);
  unwell_.erase(seat.info.id);
  identify_.forget_logins(seat.info.id);
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
  seat.must_log_in = false;  // its next status after it reconnects will tell
  seat.respawn_due = seat.asks_to_start = seat.awaiting_status = false;
  identify_.forget(seat.info.id);
  identify_.forget_logins(seat.info.id);
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
  follow_login(seat, status, seat.awaiting_status, now);
  follow_gateway(seat, status, now);
  planner_.changed(seat);
  const auto parked = count_failures(seat, status, now);
  seat.awaiting_status = false;
  const auto owed = std::exchange(seat.respawn_owed, kNever);
  if (owed != kNever && seat.info.runs_goal() && status.start_time <= owed) respawn(seat, now);
  return parked;
}

bool Dispatch::asks(const Seat& seat) const { return seat.asks || asking_kinds_.contains(seat.kind); }

/// Bots of the same kind need no turn for their starts any more: releases those that wait.
void Dispatch::learn_that_it_asks(Seat& seat, Time now) {
  seat.asks = true;
  if (seat.kind.empty() || !asking_kinds_.insert(seat.kind).second) return;
  for (auto& [name, other] : seats_) {
    if (other->kind != seat.kind || !identify_.wants(name)) continue;
    if (!other->told) {
      identify_.forget(name);
      remind(*other, now);
    } else if (std::exchange(other->asks_to_start, false)) {
      identify_.forget(name);
      order_start(*other, Order::Kind::start);
    }
  }
}

/// Updates `ready`. A bot that does not report it counts as ready after the time in which it must have logged
/// in.
void Dispatch::follow_login(Seat& seat, const ShardStatus& status, bool first, Time now) {
  const auto& name = seat.info.id;
  unsure_.erase(name);
  if (status.bot && status.bot->asks && !seat.asks) learn_that_it_asks(seat, now);
  seat.asks = status.bot && status.bot->asks;
  if (first && seat.asks) identify_.assume_permits();
  const bool said = status.bot && status.bot->ready.has_value();
  const bool logged_in = said && *status.bot->ready;
  const bool limited = identify_.limits().has_value() && !seat.info.is_master;
  const auto started = std::max(seat.info.boot_time, std::min(status.start_time, now));
  const auto sure_at = started + login_patience_;
  seat.ready = said ? logged_in : !limited || !status.current.bound() || (!seat.asks && now >= sure_at);
  if (!limited || !status.current.bound()) return;
  if (!said && !seat.ready && !seat.asks) unsure_.insert_or_assign(name, sure_at);
  if (logged_in && status.start_time != seat.turn_from) identify_.all_logged_in(name, now);
  if (logged_in && std::exchange(seat.ready_process, status.start_time) != status.start_time && !first &&
      !seat.asks) {
    login_times_.add(seat.kind, now - started);
  }
  if (first && !logged_in && !seat.asks) {
    identify_.started_elsewhere(name, status.current.ids, std::min(status.start_time, now), now);
  }
}

void Dispatch::follow_gateway(Seat& seat, const ShardStatus& status, Time now) {
  if (!status.bot) return;
  if (status.start_time != seat.bot.at) seat.gateway.restarted();
  seat.gateway.hear(status.bot->gateways, now);
  const auto standing = seat.gateway.standing();
  const bool unwell =
      standing == Gateway::disconnected || standing == Gateway::deaf || standing == Gateway::hung;
  if (unwell) {
    unwell_.insert(seat.info.id);
  } else {
    unwell_.erase(seat.info.id);
  }
  if (standing != Gateway::refused || seat.refused != 0) return;
  // A refused process is reported until the next one starts, which may have been ordered already.
  if (std::exchange(seat.refused_process, status.start_time) == status.start_time) return;
  seat.refused = seat.gateway.code();
  tell_anew(seat, now);
}

/// Restarts bots that have lost their gateway connection. Not if most bots have: then restarts would only
/// cost logins.
void Dispatch::restart_the_unwell(Plan& plan, Time now) {
  constexpr std::size_t kFew = 3;
  if (unwell_.size() >= kFew && 2 * unwell_.size() > seats_.size()) return;
  const std::vector<ShardName> names(unwell_.begin(), unwell_.end());
  for (const auto& name : names) {
    auto& seat = *seats_.at(name);
    const auto standing = seat.gateway.standing();
    const auto since = seat.gateway.since();
    const auto patience =
        standing == Gateway::disconnected ? gateway_patience_ : patience_.request_reboot_after;
    const bool asked = seat.respawn_asked > since && now < seat.respawn_asked + patience_.expect_reboot_after;
    if (!seat.connected || seat.queued || seat.parked || asked || now < since + patience) continue;
    plan.unwell.push_back({name, standing, now - since});
    respawn(seat, now);
  }
}

void Dispatch::tell_ready(Time now) {
  for (auto at = unsure_.begin(); at != unsure_.end();) {
    if (at->second > now) {
      ++at;
      continue;
    }
    auto& seat = *seats_.at(at->first);
    at = unsure_.erase(at);
    seat.ready = true;
    planner_.changed(seat);
  }
}

// ---- telling ----

void Dispatch::untell(Seat& seat) {
  seat.told = false;
  seat.queued = true;
  if (seat.connected) untold_.insert(seat.info.id);  // a disconnected seat is told when it connects
  planner_.changed(seat);
}

void Dispatch::tell_anew(Seat& seat, Time now) {
  untell(seat);
  remind(seat, now);
}

/// Sends a seat its role. If its bot must log in for that, it first waits for its turn.
void Dispatch::remind(Seat& seat, Time now) {
  if (!seat.connected || seat.saving > 0 || seat.awaiting_status) return;
  const auto& info = seat.info;
  if (info.current.bound() && now < seat.stops_until) return;
  seat.stops_until = kNever;
  const auto pause = parked_until(seat, now);
  const bool parks = !info.is_master && (pause || seat.refused != 0);
  if (std::exchange(seat.parked, parks) && !parks) untell(seat);
  if (parks) {
    if (pause) pauses_.emplace(*pause, info.id);
    identify_.forget(info.id);
    return send(seat, Role{}, false, now);
  }
  const bool runs = info.runs_goal() && seat.settled && !seat.must_log_in;
  const bool logs_in = !info.is_master && info.goal.bound() && !runs;
  if (logs_in && !seat.told) {
    if (asks(seat) && identify_.limits()) return send(seat, info.goal, true, now);
    untold_.erase(info.id);  // the queue has it now
    return want_start(seat);
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
    seat.info.boot_time = now;  // the time limit of the start counts from here
  }
  untold_.erase(seat.info.id);
  planner_.changed(seat);
  orders_.push_back({Order::Kind::update, seat.info.id, role, logs_in});
}

/// Reminds the seats that have not been told their goal. False if `most` was reached. Seats that cannot be
/// told yet remain.
bool Dispatch::tell_all(Time now, std::size_t most) {
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

Plan Dispatch::plan(Time now, std::size_t most) {
  tell_ready(now);
  auto plan = planner_.step(now, most);
  for (const auto& assignment : plan.assignments) {
    auto& seat = *seats_.at(assignment.shard);
    untell(seat);
    ++seat.saving;
    seat.settled = false;
    seat.refused = 0;  // a refusal may not apply to another count
    // A turn in the queue was for the old role.
    identify_.forget(assignment.shard);
  }
  for (const auto& name : plan.reboots) respawn(*seats_.at(name), now);
  restart_the_unwell(plan, now);
  plan.more = !tell_all(now, most) || plan.more;
  return plan;
}

void Dispatch::saved(std::span<const Assign> assignments, Time now) {
  for (const auto& assignment : assignments) {
    const auto found = seats_.find(assignment.shard);
    if (found == seats_.end()) continue;
    --found->second->saving;
    remind(*found->second, now);
  }
}

// ---- logins ----

void Dispatch::respawn(Seat& seat, Time now) {
  seat.respawn_asked = now;
  if (!seat.connected) {
    seat.respawn_owed = now;
    return;
  }
  seat.refused = 0;
  if (breaker_.release(seat.info.goal.first(), now) || seat.parked) return tell_anew(seat, now);
  seat.respawn_due = true;
  want_start(seat);
}

/// Its process waits for its turn.
void Dispatch::want_start(const Seat& seat) {
  identify_.want(seat.info.id, seat.info.goal.ids, login_times_.patience(seat.kind));
}

void Dispatch::respawn_after(Seat& seat, Millis delay) {
  if (!seat.connected) return;
  seat.restarting = true;
  orders_.push_back({Order::Kind::respawn, seat.info.id, {}, false, delay});
}

/// The seat counts as not told, but is not queued: its next status queues it.
void Dispatch::stop_for_a_moment(Seat& seat, Time now) {
  (void)breaker_.release(seat.info.goal.first(), now);
  seat.refused = 0;
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
  if (!seat.info.goal.bound() || seat.parked) return;  // an order to stop is on its way
  if (asks(seat) && identify_.limits()) return order_start(seat, Order::Kind::start);
  seat.asks_to_start = true;
  want_start(seat);
}

bool Dispatch::ask_login(Seat& seat, ShardId id, std::uint64_t ask, Time now) {
  if (!seat.info.goal.has(id) && !seat.info.current.has(id)) return false;
  seat.asks = true;
  if (!seat.kind.empty()) asking_kinds_.insert(seat.kind);
  identify_.want_login(seat.info.id, id, ask, now);
  return true;
}

void Dispatch::login(Seat& seat, const LoginNews& news, Time now) {
  const auto& name = seat.info.id;
  switch (news.event) {
    case LoginEvent::asks:
      learn_that_it_asks(seat, now);
      return identify_.asks(name);
    case LoginEvent::mute:
      seat.asks = false;
      asking_kinds_.erase(seat.kind);
      return;
    case LoginEvent::sent:
      if (!seat.info.goal.has(news.id) && !seat.info.current.has(news.id)) return;
      return identify_.identified(name, news.id, news.ask, news.at, now);
    case LoginEvent::ready:
      return identify_.logged_in(name, news.id, now);
    case LoginEvent::cancel:
      return identify_.forget_login(name, news.id, news.ask);
    case LoginEvent::ended:
      return identify_.ended(name, false, now);
    case LoginEvent::died:
      return identify_.ended(name, true, now);
  }
}

void Dispatch::order_start(Seat& seat, Order::Kind kind) {
  seat.restarting = true;
  orders_.push_back({kind, seat.info.id, {}, true});
}

void Dispatch::tick(Time now) {
  for (const auto& [kind, name, ids, ask, waited] : identify_.due(now)) {
    auto& seat = *seats_.at(name);
    if (kind == IdentifyQueue::Turn::Kind::login) {
      orders_.push_back({Order::Kind::permit, name, Role(ids, seat.info.goal.count), true, waited, ask});
      continue;
    }
    seat.turn_from = seat.bot.at;
    if (seat.saving > 0) {  // queued again when the role is saved
      identify_.asks(name);
      continue;
    }
    const bool tells = !seat.told;
    if (tells) send(seat, seat.info.goal, true, now);
    // A new role restarts the bot anyway. For a bot that asks before logins, the role may have been sent
    // before.
    if (std::exchange(seat.respawn_due, false) && !tells) order_start(seat, Order::Kind::respawn);
    if (std::exchange(seat.asks_to_start, false)) order_start(seat, Order::Kind::start);
  }
  tell_ready(now);
  while (!pauses_.empty() && pauses_.begin()->first <= now) {
    const auto seat = seats_.find(pauses_.begin()->second);
    pauses_.erase(pauses_.begin());
    // Ignore outdated entries: a later pause, also of another id, has its own entry.
    if (seat != seats_.end() && seat->second->parked && seat->second->refused == 0)
      remind(*seat->second, now);
  }
}

std::optional<Time> Dispatch::next(Time now) const {
  auto next = identify_.next(now).value_or(Time::max());
  for (const auto& [name, at] : unsure_) next = std::min(next, at);
  if (!pauses_.empty()) next = std::min(next, pauses_.begin()->first);
  return next == Time::max() ? std::nullopt : std::optional(next);
}

// ---- bots that fail ----

/// Agents report deaths. For other shards, a new start of the bot that was not requested counts as a death.
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
