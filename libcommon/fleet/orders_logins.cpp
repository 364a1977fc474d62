// What bots tell of their logins and gateways, and which orders follow from it.
#include <algorithm>
#include <utility>

#include "fleet/orders.hpp"

namespace smaster::fleet {

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

bool Orders::asks(const Seat& seat) const {
  return seat.asks || (!seat.mute && asking_kinds_.believes(seat.info.id, seat.kind));
}

void Orders::learn_that_it_asks(Seat& seat, Time now) {
  seat.asks = true;
  seat.mute = false;
  if (!asking_kinds_.add(seat.info.id, seat.kind)) return;
  release_again_ = released_until_.has_value();
  if (!release_again_) release_at_ = next_release(now);
}

Time Orders::next_release(Time now) const {
  constexpr unsigned kMostReleases = 4;  // a second: each looks at all seats
  return releases_ < kMostReleases ? now : std::max(now, released_ + Millis{1'000});
}

/// Bots that ask need no turn for their starts: tells those that wait for one, at most `most`, and goes on in
/// the next tick.
void Orders::release_askers(Time now, std::size_t most) {
  constexpr std::size_t kLooksPerOrder = 10;  // to look at a seat costs less than to tell it something
  auto at = seats_.begin();
  if (released_until_) {
    at = seats_.upper_bound(*std::exchange(released_until_, std::nullopt));
  } else {
    if (now >= released_ + Millis{1'000}) released_ = now, releases_ = 0;
    ++releases_;
  }
  release_at_.reset();
  for (std::size_t looks = 0; at != seats_.end(); ++looks) {
    if (looks / kLooksPerOrder >= most) {
      released_until_ = std::prev(at)->first;
      release_at_ = now;
      return;
    }
    auto& [name, other] = *at++;
    if (other->asks && asking_kinds_.believes(name, other->kind)) identify_.asks(name);
    if (!identify_.wants(name)) continue;
    if (!asks(*other) && !other->mute) asking_kinds_.try_one(name, other->kind);
    if (!asks(*other)) continue;
    looks += kLooksPerOrder;
    if (other->queued()) {
      identify_.forget(name);
      remind(*other, now);
    } else if (std::exchange(other->asks_to_start, false)) {
      identify_.forget(name);
      order_start(*other, Order::Kind::start);
    }
  }
  if (std::exchange(release_again_, false)) release_at_ = next_release(now);
}

/// Updates `ready`. A bot that does not report it counts as ready after the time in which it must have logged
/// in.
void Orders::follow_login(Seat& seat, const ShardStatus& status, bool first, Time now) {
  const auto& name = seat.info.id;
  const bool was_logged_in = seat.ready && seat.ready_process == status.start_time;
  unsure_.erase(name);
  if (status.bot && status.bot->asks && !seat.asks) learn_that_it_asks(seat, now);
  const bool was = std::exchange(seat.asks, status.bot && status.bot->asks);
  if (was && !seat.asks) asking_kinds_.remove(name);
  if (first && seat.asks) identify_.assume_permits();
  const bool said = status.bot && status.bot->ready.has_value();
  const bool logged_in = said && *status.bot->ready;
  const bool limited = identify_.limits().has_value() && !seat.info.is_master;
  const auto started = std::max(seat.info.boot_time, std::min(status.start_time, now));
  const auto sure_at = started + login_patience_;
  if (status.bot && !seat.asks && !seat.mute && status.current.bound() && now >= sure_at) {
    seat.mute = true;
    asking_kinds_.remove(name);
  }
  seat.ready = said ? logged_in : !limited || !status.current.bound() || (!seat.asks && now >= sure_at);
  if (first && identify_.limits()) identify_.heard(name);
  if (!limited || !status.current.bound()) return;
  if (!said && !seat.ready && !seat.asks) unsure_.insert_or_assign(name, sure_at);
  if (logged_in && status.start_time != seat.turn_from) {
    identify_.all_logged_in(name, now);
    if (!seat.asks && !first && !was_logged_in) identify_.logged_in_unasked(status.current.ids, now);
  }
  if (logged_in && std::exchange(seat.ready_process, status.start_time) != status.start_time && !first &&
      !seat.asks) {
    login_times_.add(seat.kind, now - started);
  }
  if (first && !logged_in && !seat.asks) {
    identify_.started_elsewhere(name, status.current.ids, std::min(status.start_time, now), now);
  }
}

void Orders::follow_gateway(Seat& seat, const ShardStatus& status, Time now) {
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
void Orders::restart_the_unwell(Plan& plan, Time now, std::size_t most) {
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
    if (seat.stage != Stage::told || asked || now < since + patience) continue;
    if (plan.unwell.size() >= most) {
      plan.more = true;
      return;
    }
    plan.unwell.push_back({name, standing, now - since});
    respawn(seat, now);
  }
}

void Orders::tell_ready(Time now) {
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

bool Orders::ask_login(Seat& seat, ShardId id, std::uint64_t ask, Time now) {
  if (!seat.info.goal.has(id) && !seat.info.current.has(id)) return false;
  if (!seat.asks) learn_that_it_asks(seat, now);
  identify_.assume_limits();
  identify_.want_login(seat.info.id, id, ask, now);
  return true;
}

void Orders::login(Seat& seat, const LoginNews& news, Time now) {
  const auto& name = seat.info.id;
  switch (news.event) {
    case LoginEvent::asks:
      learn_that_it_asks(seat, now);
      // Its bucket stays reserved for its login, unless only logins wait: a start of another bot would take
      // it.
      if (asking_kinds_.believes(name, seat.kind)) identify_.asks(name);
      return;
    case LoginEvent::mute:
      seat.asks = false;
      seat.mute = true;
      asking_kinds_.remove(name);
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

}  // namespace smaster::fleet
