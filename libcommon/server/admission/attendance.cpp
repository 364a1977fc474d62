#include "server/admission/attendance.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "base/outlet.hpp"
#include "base/text.hpp"
#include "log/log.hpp"
#include "net/clock.hpp"
#include "records/status_text.hpp"
#include "server/admission/bot_events.hpp"
#include "server/shards/shard_event.hpp"
#include "server/shards/shard_session.hpp"

namespace smaster::server {
namespace {

constexpr Millis kFirstCorrectionPause{1'000};
constexpr unsigned kQuietHeartbeats = 2;
/// Minimum time between alerts about duplicates of one shard.
constexpr std::chrono::hours kAlertPause{1};

}  // namespace

Result<void> Attendance::attach(ShardSession& session, Reservation reservation, fleet::Holder claimant) {
  const auto& name = reservation.ref.name;
  auto* const shard = directory_.find(name);
  if (shard == nullptr || shard->registration != reservation.registration) {
    return fail(ErrorKind::not_found, "the shard was revoked meanwhile");
  }
  if (const auto* const live = directory_.live_master();
      shard->info.is_master && live != nullptr && live != shard) {
    return fail(ErrorKind::not_permitted, "master shard " + live->info.id.str() + " is connected");
  }
  shard->start_asked.reset();
  auto* const old = std::exchange(shard->session, &session);
  heartbeats_.leave(name);
  const bool agents = claimant.known() && old != nullptr && old->is_agent();  // told apart by identity
  claim(*shard, std::move(claimant), old != nullptr);
  if (old != nullptr) {
    orders_.left(*shard);
    events_.record(about(*shard, fleet::EventKind::replaced,
                         "shard " + name.str() + " connected again, its old connection is closed"),
                   session.address());
    if (!agents) count_replacement(*shard, *old, session);
    old->close();
  }
  seen(*shard);
  rows_.save_soon(*shard);
  return {};
}

std::optional<std::string> Attendance::refusal(const ShardName& name, const fleet::Holder& claimant) const {
  const auto* const found = directory_.find(name);
  if (found == nullptr) return std::nullopt;
  const auto& shard = *found;
  const auto& holder = shard.info.holder;
  if (!holder.known() || holder.is(claimant)) return std::nullopt;
  const auto now = net::fleet_clock();
  const auto gone_at = shard.gone_at(plans_.plan_settings().patience);
  if (shard.session == nullptr && now >= gone_at) return std::nullopt;
  const bool same_boot = holder.boot == claimant.boot;
  const auto where = same_boot ? "on the same host, with another copy of its config" : "on " + holder.machine;
  return "shard " + name.str() + " has an agent " + where +
         (shard.session != nullptr
              ? " (" + shard.session->address() + "), which is connected"
              : ", which may still run its bot for " +
                    format_duration(std::chrono::ceil<std::chrono::seconds>(gone_at - now))) +
         "; one config is for one agent: stop that one, or make another config with \"smaster genconfig\"";
}

std::optional<std::string> Attendance::refuse(const ShardSession& session, const fleet::Holder& claimant) {
  auto why = refusal(session.name(), claimant);
  if (!why) return why;
  auto& shard = *directory_.find(session.name());
  const auto now = net::fleet_clock();
  if (!shard.duplicate || now - shard.duplicate->seen > fleet::kDuplicateShown) {
    events_.record(about(shard, fleet::EventKind::second_user,
                         (claimant.known() ? "the agent on " + claimant.machine
                                           : std::string("a program that is no agent")) +
                             " (address " + session.address() + ") is refused: " + *why),
                   session.address());
  }
  shard.duplicate = fleet::Duplicate{claimant.machine, session.address(), now, true};
  return why;
}

/// Makes the attaching agent the shard's holder. A shard without an agent clears the holder once the previous
/// agent's bot must have ended.
void Attendance::claim(Shard& shard, fleet::Holder claimant, bool replaces) {
  auto& holder = shard.info.holder;
  if (claimant.known()) {
    if (holder.is(claimant)) return;
    holder = std::move(claimant);
    // Persist it before any order: after a crash, this agent could otherwise be refused as the second one.
    plans_.claimed(shard);
  } else if (holder.left) {
    holder = {};
    plans_.claimed(shard);  // persisted before any order: after a crash its ids would be given away at once
  } else if (!replaces && net::fleet_clock() >= shard.gone_at(plans_.plan_settings().patience)) {
    holder = {};
  }
}

/// Detects two shards that use one config and are not both agents: they keep replacing each other.
void Attendance::count_replacement(Shard& shard, const ShardSession& old, const ShardSession& session) {
  const auto now = net::fleet_clock();
  if (!shard.replacements.add(now)) return;
  shard.duplicate = fleet::Duplicate{"", old.address(), now, false};
  if (shard.alerted != fleet::kNever && now - shard.alerted < kAlertPause) return;
  shard.alerted = now;
  const auto& name = session.name().str();
  const auto text =
      "shard " + name + " connects again and again while its last connection is alive, from " +
      (old.address() == session.address() ? session.address() : old.address() + " and " + session.address()) +
      ": its config seems to be used twice, and id " + fleet::ids_text(shard.info.goal) +
      " may run twice; stop one of them, or make another config with \"smaster genconfig\"";
  events_.record(about(shard, fleet::EventKind::duplicate, text), session.address());
}

void Attendance::extend_lease(Shard& shard, Millis term) {
  auto& known = shard.info.holder.term;
  if (known == term) return;
  known = term;
  rows_.save_soon(shard);
  orders_.changed(shard);
}

void Attendance::leave(Shard& shard) {
  auto& info = shard.info;
  info.holder = {};
  info.holder.left = true;
  info.current = {};
  info.may_run.clear();
  rows_.save_soon(shard);
  orders_.changed(shard);
}

void Attendance::introduced(ShardSession& session, const Introduction& introduction) {
  auto* const shard = directory_.find(session.name());
  if (shard == nullptr || shard->session != &session) return;
  shard->info.capacity = introduction.capacity;
  shard->info.host = introduction.host;
  shard->kind = introduction.kind;
  shard->agent_root = introduction.root;
  shard->agent_confined = introduction.confined;
  rows_.save_soon(*shard);
  orders_.changed(*shard);
}

void Attendance::joined(ShardSession& session) {
  auto* const shard = directory_.find(session.name());
  if (shard == nullptr || shard->session != &session) return;
  shard->margin = shard->info.holder.known() || session.is_agent() ? kAgentMargin : Millis{0};
  orders_.joined(*shard, session.is_agent(), net::fleet_clock());
  heartbeats_.join(session.name());
  plans_.replan();
}

void Attendance::detach(ShardSession& session) {
  auto* const shard = directory_.find(session.name());
  if (shard == nullptr || shard->session != &session) return;  // it was replaced
  shard->session = nullptr;
  shard->start_asked.reset();
  orders_.left(*shard);
  heartbeats_.leave(session.name());
  seen(*shard);  // its agent may have received messages until now
  rows_.save_soon(*shard);
  departed_.left(*shard);
  news_.shard_changed(session.name());
  plans_.replan();
}

void Attendance::seen(Shard& shard) {
  directory_.heard(shard, net::fleet_clock());
  rows_.saw(shard);
  orders_.changed(shard);
}

void Attendance::status(Shard& shard, std::string_view text, std::span<const std::string_view> names) {
  auto fresh = shard.status ? nullptr : std::make_unique<fleet::ShardStatus>();
  auto& status = fresh ? *fresh : *shard.status;
  if (!fleet::read_status(text, status, names)) {
    log::shard(spdlog::level::warn, {"bad_status", shard.info.id.str(), shard.info.goal.first(), {}},
               "shard " + shard.info.id.str() + " sent a status that is no object; ignored");
    return;
  }
  const auto now = net::fleet_clock();
  if (fresh) shard.status = std::move(fresh);
  if (status.timestamp == fleet::kNever) status.timestamp = now;

  const auto instant = net::now();
  shard.status_at = instant;
  auto& info = shard.info;
  directory_.heard(shard, now);
  // With use_message_stats, the second status in a row without a message is no sign of life. Exempt are
  // shards without an id, and bots that cannot count messages (−1).
  const bool quiet = status.message_count_delta == 0 && status.current.bound();
  shard.quiet = quiet ? shard.quiet + 1 : 0;
  // Bots that report their gateway are judged by that instead.
  const bool by_messages = settings_.use_message_stats && (!status.bot || status.bot->gateways.empty());
  if (!by_messages || shard.quiet < kQuietHeartbeats) info.last_heartbeat = now;
  const auto believed = std::pair(info.current, shard.ready);
  const auto may_run = info.may_run.size();
  const auto refused = shard.refused;
  const bool expected = shard.stage == fleet::Stage::unheard;
  const auto parked = orders_.status(shard, status, now);
  if (expected || believed.first != info.current || may_run != info.may_run.size()) {
    rows_.save_soon(shard);
  } else {
    rows_.saw(shard);
  }
  history_.add(shard, status);
  record_changes(events_, metrics_, shard, status, !believed.second && shard.ready);
  if (parked) say(*parked);
  if (shard.refused != refused && shard.refused != 0) say_refused(shard);
  if (status.bot) look_for_login(shard, status, now);
  news_.shard_changed(info.id);
  sender_.deliver_later();
  if (expected || believed != std::pair(info.current, shard.ready)) plans_.replan();
  if (expected || parked || shard.refused != refused) return;  // its order is on its way

  const bool agrees = status.goal == (shard.parked() ? fleet::Assignment{} : info.goal);
  if (agrees) {
    shard.correction_pause = {};
  } else if (instant >= shard.corrected + shard.correction_pause) {
    // The pause between corrections doubles, up to the heartbeat interval.
    shard.corrected = instant;
    shard.correction_pause =
        std::min(std::max(shard.correction_pause * 2, kFirstCorrectionPause), settings_.interval);
    log::shard(spdlog::level::info, {"corrected", info.id.str(), info.goal.first(), {}},
               "shard " + info.id.str() + " reports id " + fleet::ids_text(status.goal) + " of " +
                   std::to_string(status.goal.count.value) + ", it has " + fleet::ids_text(info.goal) +
                   " of " + std::to_string(info.goal.count.value) + "; corrected");
    sender_.send_update(shard);
    return;
  }
  if (settings_.update_style == UpdateStyle::push) sender_.send_update(shard);
}

/// Reports a bot whose library would ask to log in, and which never does. It is not restarted: it may have
/// much to load.
void Attendance::look_for_login(Shard& shard, const fleet::ShardStatus& status, Time now) {
  const auto& bot = *status.bot;
  if (!bot.asks || !bot.gateways.empty() || bot.state != "running" || !status.current.bound()) return;
  if (now - status.start_time < settings_.gateway_patience || shard.idle_process == status.start_time) return;
  shard.idle_process = status.start_time;
  const auto text = "the bot of shard " + shard.info.id.str() + " (id " + fleet::ids_text(status.current) +
                    ") has loaded " + bot.hooks + " and has not asked to log in for " +
                    format_duration(settings_.gateway_patience) + "; look at its output on its host";
  events_.record(about(shard, fleet::EventKind::idle, text));
}

void Attendance::say_refused(const Shard& shard) {
  const auto id = std::to_string(shard.info.goal.first().value);
  const auto text = "Discord refuses the bot of shard " + shard.info.id.str() + " (id " + id +
                    ") with code " + std::to_string(shard.refused) + ": " +
                    std::string(fleet::refusal_words(shard.refused)) +
                    ". It is stopped and not tried again by itself; then \"smaster respawn --shard " + id +
                    "\" lets it try";
  events_.record(about(shard, fleet::EventKind::refused, text));
}

void Attendance::say(const fleet::Parked& parked) {
  const auto* const shard = directory_.find(parked.shard);
  if (shard == nullptr) return;
  const auto& assignment = shard->info.goal;
  const auto text = "the bot of shard " + parked.shard.str() + " (id " + fleet::ids_text(assignment) +
                    ") fails again and again" +
                    (shard->status && shard->status->bot ? ", at last with " + shard->status->bot->last_exit
                                                         : std::string()) +
                    ": it is parked for " + format_duration(parked.pause) + "; \"smaster respawn --shard " +
                    std::to_string(assignment.first().value) + "\" lets it try now";
  auto event = about(*shard, fleet::EventKind::parked, text);
  event.details = last_words(*shard);
  events_.record(std::move(event));
}

}  // namespace smaster::server
