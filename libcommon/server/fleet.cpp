#include "server/fleet.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/json/object.hpp>
#include <utility>

#include "base/text.hpp"
#include "fleet/status_text.hpp"
#include "json/json.hpp"
#include "log/log.hpp"
#include "net/clock.hpp"
#include "server/shard_session.hpp"

namespace smaster::server {
namespace {

namespace asio = net::asio;

/// Statuses are on disk at most this much later, plus the write itself; three seconds are promised.
constexpr std::chrono::seconds kFlushInterval{1};
constexpr Millis kFirstCorrectionPause{1'000};
constexpr unsigned kQuietHeartbeats = 2;
/// Shards that are added, removed, saved or asked in one turn of the loop.
constexpr std::size_t kAddedAtOnce = 500;
constexpr std::size_t kRemovedAtOnce = 40;
constexpr std::size_t kSavedAtOnce = 200;
constexpr std::size_t kAskedAtOnce = 200;
/// What an agent's bot gets to end when it has lost its master (kLostGrace), and a little for the way.
constexpr Millis kAgentMargin{7'000};
/// From one alert of a duplicate to the next.
constexpr std::chrono::hours kAlertPause{1};

}  // namespace

Fleet::Fleet(asio::io_context& context, const Settings& settings, store::Store& store,
             store::HistoryStore& past)
    : context_(context),
      settings_(settings),
      store_(store),
      past_(past),
      dispatch_(plan_settings_, net::fleet_clock()),
      dispatch_timer_(context.get_executor()),
      plan_timer_(context.get_executor()),
      tick_timer_(context.get_executor()),
      heartbeat_timer_(context.get_executor()),
      flush_timer_(context.get_executor()),
      tasks_(context.get_executor(), "fleet") {
  update_config_text();
}

Result<Kept> Fleet::read() {
  auto shards = store_.load_registry();
  if (!shards) return shards.error();
  auto target = store_.load_note(kTargetNote);
  if (!target) return target.error();
  auto identify = store_.load_note(kIdentifyNote);
  if (!identify) return identify.error();
  auto revoked = store_.load_note(kRevokedNote);
  if (!revoked) return revoked.error();
  return Kept{std::move(*shards), std::move(*target), std::move(*identify), std::move(*revoked)};
}

void Fleet::take(Kept kept) {
  for (auto& info : kept.shards) insert(std::move(info));
  if (const auto target = parse_target(kept.target)) target_ = *target;
  revoked_ = fleet::Revoked::parse(kept.revoked);
  const bool asks_discord = !settings_.token_file.empty() || !settings_.token_env.empty();
  if (const auto limits = parse_limits(kept.identify); limits && asks_discord) {
    dispatch_.limit(*limits);
    budget_ = *limits;
  }
}

net::Task<> Fleet::take_in_turns(Kept kept) {
  std::size_t taken = 0;
  for (auto& info : std::exchange(kept.shards, {})) {
    if (++taken % kAddedAtOnce == 0) co_await asio::post(context_, net::use_task);
    insert(std::move(info));
  }
  take(std::move(kept));
}

net::Task<Result<Kept>> Fleet::read_in_store() {
  co_return co_await net::run_in(store_thread_, [this] { return read(); });
}

net::Task<Result<void>> Fleet::read_ahead() {
  co_return co_await net::run_in(store_thread_, [this] { return store_.read_ahead(); });
}

void Fleet::start() {
  plan_settings_.patience.since = net::fleet_clock();
  dispatch_.take_over(plan_settings_.patience.since);
  follow_settings();
  arm_tick();
  arm_heartbeats();
  arm_flush();
}

std::set<ShardName> Fleet::processes_of(const ShardName& name) const {
  const auto own = name.process(0);
  std::set<ShardName> names;
  if (index_.contains(own)) names.insert(own);
  if (const auto found = processes_.find(own); found != processes_.end()) {
    names.insert(found->second.begin(), found->second.end());
  }
  return names;
}

std::string_view Fleet::state(const Shard& shard) const {
  const auto now = net::fleet_clock();
  const auto& info = shard.info;
  if (shard.session == nullptr) {
    if (!info.registered()) return "new";
    return now - std::max(info.last_seen, plan_settings_.patience.since) >= settings_.assume_dead_after
               ? "dead"
               : "offline";
  }
  if (now - info.last_seen >= settings_.request_reboot_after) return "silent";
  if (!info.goal.bound()) return "spare";
  if (shard.refused != 0) return "refused";
  if (shard.parked) return "parked";
  if (shard.status && shard.status->bot && shard.status->bot->crash_loop) return "crashing";
  if (!shard.told) return "queued";
  if (!info.runs_goal()) return "starting";
  const auto standing = shard.gateway.standing();
  if (standing != fleet::Gateway::unknown && standing != fleet::Gateway::running) return to_string(standing);
  return shard.ready ? "running" : "logging in";
}

Shard* Fleet::find(const ShardName& name) {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : found->second;
}

void Fleet::insert(fleet::ShardInfo info) {
  const auto name = info.id;
  if (index_.contains(name)) return;  // two connections of one new process came at once
  auto& shard = shards_.emplace(name, std::move(info)).first->second;
  shard.registration = ++registrations_;
  if (shard.info.holder.known()) shard.margin = kAgentMargin;
  index_.emplace(name, &shard);
  list(shard);
  if (shard.info.is_master) masters_.insert(name);
  if (counts_as_registered(shard)) ++registered_;
  if (name.is_further()) processes_[name.process(0)].insert(name);
  dispatch_.add(shard);
}

/// Its role has changed: it is found by its new ids.
void Fleet::list(Shard& shard) {
  for (const auto id : shard.listed.ids) {
    const auto at = holders_.find(id.value);
    std::erase(at->second, &shard);
    if (at->second.empty()) holders_.erase(at);
  }
  shard.listed = shard.info.is_master ? fleet::Role{} : shard.info.goal;
  for (const auto id : shard.listed.ids) holders_[id.value].push_back(&shard);
}

Shard* Fleet::holder(ShardId id) {
  const auto found = id.value < goal().value ? holders_.find(id.value) : holders_.end();
  if (found == holders_.end()) return nullptr;
  return *std::min_element(found->second.begin(), found->second.end(),
                           [this](const Shard* a, const Shard* b) {
                             const bool old_a = a->listed.count != goal(), old_b = b->listed.count != goal();
                             return old_a != old_b ? old_b : a->info.id < b->info.id;
                           });
}

const Shard* Fleet::live_master() const {
  for (const auto& name : masters_) {
    const auto* const shard = index_.at(name);
    if (shard->session != nullptr) return shard;
  }
  return nullptr;
}

std::optional<std::string> Fleet::refusal(const ShardName& name, const fleet::Holder& claimant) const {
  const auto found = index_.find(name);
  if (found == index_.end()) return std::nullopt;
  const auto& shard = *found->second;
  const auto& holder = shard.info.holder;
  if (!holder.known() || holder.is(claimant)) return std::nullopt;
  const auto now = net::fleet_clock();
  const auto gone_at = shard.gone_at(plan_settings_.patience);
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

std::optional<std::string> Fleet::refuse(const ShardSession& session, const fleet::Holder& claimant) {
  auto why = refusal(session.name(), claimant);
  if (!why) return why;
  auto& shard = *find(session.name());
  const auto now = net::fleet_clock();
  if (!shard.duplicate || now - shard.duplicate->seen > fleet::kDuplicateShown) {
    log::shard(
        spdlog::level::warn, {"duplicate", session.name().str(), shard.info.goal.first(), session.address()},
        (claimant.known() ? "the agent on " + claimant.machine : std::string("a program that is no agent")) +
            " (address " + session.address() + ") is refused: " + *why);
  }
  shard.duplicate = fleet::Duplicate{claimant.machine, session.address(), now, true};
  return why;
}

/// Whoever attaches has the shard's place; what it says of itself tells it from others later.
void Fleet::claim(Shard& shard, fleet::Holder claimant, bool replaces) {
  auto& holder = shard.info.holder;
  if (claimant.known()) {
    if (holder.is(claimant)) return;
    holder = std::move(claimant);
    // On disk before it is told anything: else after a crash it could be taken for the second one.
    ++shard.saving;
    claims_.push_back({shard.info.id, shard.info.goal});
  } else if (!replaces && net::fleet_clock() >= shard.gone_at(plan_settings_.patience)) {
    holder = {};
  }
}

Result<Reservation> Fleet::reserve(const ShardName& name) {
  const auto* const shard = find(name);
  if (shard == nullptr) return fail(ErrorKind::not_found, "no shard is named " + name.str());
  Reservation reservation({name, ++connections_}, shard->registration);
  if (!shard->info.is_master) return reservation;
  const auto* const live = live_master();
  auto admitted = master_.lock();
  if ((live != nullptr && live != shard) || (admitted && *admitted != name)) {
    return fail(ErrorKind::not_permitted, live != nullptr && live != shard
                                              ? live->info.id.str() + " is connected"
                                              : admitted->str() + " is connecting");
  }
  // Of one shard's reservations each holds the place, whichever ends first.
  reservation.master = admitted ? std::move(admitted) : std::make_shared<const ShardName>(name);
  master_ = reservation.master;
  return reservation;
}

Result<void> Fleet::attach(ShardSession& session, Reservation reservation, fleet::Holder claimant) {
  const auto& name = reservation.ref.name;
  auto* const shard = find(name);
  if (shard == nullptr || shard->registration != reservation.registration) {
    return fail(ErrorKind::not_found, "the shard was revoked meanwhile");
  }
  if (const auto* const live = live_master(); shard->info.is_master && live != nullptr && live != shard) {
    return fail(ErrorKind::not_permitted, "master shard " + live->info.id.str() + " is connected");
  }
  shard->start_asked.reset();
  auto* const old = std::exchange(shard->session, &session);
  ring_.leave(name);
  const bool agents = claimant.known() && old != nullptr && old->is_agent();  // they are told apart
  claim(*shard, std::move(claimant), old != nullptr);
  if (old != nullptr) {
    dispatch_.left(*shard);
    log::shard(spdlog::level::info, {"replaced", name.str(), shard->info.goal.first(), session.address()},
               "shard " + name.str() + " connected again, its old connection is closed");
    if (!agents) count_replacement(*shard, *old, session);
    old->close();
  }
  seen(*shard);
  return {};
}

ShardSession* Fleet::session(const ShardRef& ref) {
  const auto* const shard = find(ref.name);
  const bool there = shard != nullptr && shard->session != nullptr;
  return there && shard->session->ref().connection == ref.connection ? shard->session : nullptr;
}

/// Two shards with one config, which cannot be told to end, replace each other again and again.
void Fleet::count_replacement(Shard& shard, const ShardSession& old, const ShardSession& session) {
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
  log::shard(spdlog::level::warn, {"duplicate", name, shard.info.goal.first(), session.address()}, text);
  if (alert) alert(text);
}

void Fleet::extend_lease(Shard& shard, Millis term) {
  auto& known = shard.info.holder.term;
  if (known == term) return;
  known = term;
  save_soon(shard);
  dispatch_.changed(shard);
}

void Fleet::leave(Shard& shard) {
  shard.info.holder = {};
  save_soon(shard);
}

void Fleet::introduced(ShardSession& session, std::uint32_t capacity, const std::string& host,
                       const std::string& kind) {
  auto* const shard = find(session.name());
  if (shard == nullptr || shard->session != &session) return;
  shard->info.capacity = capacity;
  shard->info.host = host;
  shard->kind = kind;
  save_soon(*shard);
  dispatch_.changed(*shard);
}

void Fleet::joined(ShardSession& session) {
  auto* const shard = find(session.name());
  if (shard == nullptr || shard->session != &session) return;
  shard->margin = shard->info.holder.known() || session.is_agent() ? kAgentMargin : Millis{0};
  dispatch_.joined(*shard, session.is_agent(), net::fleet_clock());
  ring_.join(session.name());
  arm_heartbeats();
  replan();
}

void Fleet::detach(ShardSession& session) {
  auto* const shard = find(session.name());
  if (shard == nullptr || shard->session != &session) return;  // it was replaced
  shard->session = nullptr;
  shard->start_asked.reset();
  dispatch_.left(*shard);
  ring_.leave(session.name());
  seen(*shard);  // its agent may have heard us until now
  replan();
}

bool Fleet::counts_as_registered(const Shard& shard) {
  return !shard.info.is_master && shard.info.registered();
}

void Fleet::save_soon(Shard& shard) {
  if (!std::exchange(shard.dirty, true)) dirty_.push_back(shard.info.id);
}

void Fleet::seen(Shard& shard) {
  const bool before = counts_as_registered(shard);
  shard.info.last_seen = net::fleet_clock();
  if (!before && counts_as_registered(shard)) ++registered_;
  save_soon(shard);
  dispatch_.changed(shard);
}

void Fleet::status(Shard& shard, std::string_view text, std::span<const std::string_view> names) {
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

  const auto instant = std::chrono::steady_clock::now();
  shard.status_at = instant;
  auto& info = shard.info;
  seen(shard);
  // Without messages in two heartbeats a bot is as good as gone, if messages are what we go by; one that runs
  // nothing has none to count, and −1 is from one that cannot.
  const bool quiet = status.message_count_delta == 0 && status.current.bound();
  shard.quiet = quiet ? shard.quiet + 1 : 0;
  // One that tells of its gateway is judged by that.
  const bool by_messages = settings_.use_message_stats && (!status.bot || status.bot->gateways.empty());
  if (!by_messages || shard.quiet < kQuietHeartbeats) info.last_heartbeat = now;
  if (shard.past == nullptr) shard.past = &history_.of(info.id);
  const auto believed = std::pair(info.current, shard.ready);
  const auto refused = shard.refused;
  const bool expected = shard.awaiting_status;
  const auto parked = dispatch_.status(shard, status, now);
  history_.add(*shard.past, status, net::wall_clock(),
               fleet::gateway_sample(status, shard.gateway.standing()));
  if (parked) say(*parked);
  if (shard.refused != refused && shard.refused != 0) say_refused(shard);
  deliver_later();
  if (expected || believed != std::pair(info.current, shard.ready)) replan();
  if (expected || parked) return;

  const bool agrees = status.goal == (shard.parked ? fleet::Role{} : info.goal);
  if (agrees) {
    shard.correction_pause = {};
  } else if (instant >= shard.corrected + shard.correction_pause) {
    // A shard that never learns is told ever more rarely, up to once an interval.
    shard.corrected = instant;
    shard.correction_pause =
        std::min(std::max(shard.correction_pause * 2, kFirstCorrectionPause), settings_.interval);
    log::shard(spdlog::level::info, {"corrected", info.id.str(), info.goal.first(), {}},
               "shard " + info.id.str() + " reports id " + fleet::ids_text(status.goal) + " of " +
                   std::to_string(status.goal.count.value) + ", it has " + fleet::ids_text(info.goal) +
                   " of " + std::to_string(info.goal.count.value) + "; corrected");
    send_update(shard);
    return;
  }
  if (settings_.update_style == UpdateStyle::push) send_update(shard);
}

net::Task<Result<void>> Fleet::save_row(ShardName name) {
  if (!batch_) batch_ = std::make_shared<Batch>(context_.get_executor());
  const auto batch = batch_;
  batch->names.insert(std::move(name));
  if (!saving_batches_) tasks_.spawn("save rows", save_batches());
  boost::system::error_code ignored;
  if (!batch->done) co_await batch->written.async_wait(asio::redirect_error(net::use_task, ignored));
  co_return batch->result;
}

/// One after the other: what is asked for while one is written makes up the next, so that a thousand shards
/// that connect at once wait for a few writes.
net::Task<> Fleet::save_batches() {
  const auto busy = saving_batches_.begin();
  while (batch_) {
    const auto batch = std::exchange(batch_, nullptr);
    std::vector<fleet::ShardInfo> infos;
    for (const auto& name : batch->names) {
      if (const auto* const shard = find(name)) infos.push_back(shard->info);
    }
    try {
      batch->result = co_await in_store([this, &infos] { return store_.save(infos); });
    } catch (const std::exception& failure) {  // handshakes wait for it
      batch->result =
          fail(ErrorKind::internal, std::string("the registry is not written: ") + failure.what());
    }
    if (!batch->result) {
      for (const auto& name : batch->names) {
        if (auto* const shard = find(name)) save_soon(*shard);
      }
    }
    batch->done = true;
    batch->written.cancel();
  }
}

net::Task<Result<void>> Fleet::add(std::vector<fleet::ShardInfo> infos) {
  const auto names = std::make_shared<std::set<ShardName>>();
  std::size_t added = 0;
  for (auto& info : infos) {
    if (++added % kAddedAtOnce == 0) co_await asio::post(context_, net::use_task);
    names->insert(info.id);
    info.used = revoked_.used(info.id, net::wall_clock() - settings_.timestamp_precision);
  }
  adding_.push_back(names);
  const auto saved = co_await in_store([this, &infos] { return store_.save(infos); });
  Result<void> revoked;
  for (auto& info : infos) {
    if (!saved) break;
    if (++added % kAddedAtOnce == 0) co_await asio::post(context_, net::use_task);
    if (names->contains(info.id)) {
      insert(std::move(info));
    } else {
      revoked = fail(ErrorKind::not_found, "shard " + info.id.process(0).str() + " was revoked meanwhile");
    }
  }
  std::erase(adding_, names);
  replan();
  co_return saved ? revoked : saved;
}

net::Task<Result<void>> Fleet::remove(std::vector<ShardName> names) {
  Result<void> removed;
  for (std::size_t at = 0; at < names.size() && removed; at += kRemovedAtOnce) {
    const auto end = std::min(at + kRemovedAtOnce, names.size());
    removed = co_await remove_some(
        {names.begin() + static_cast<std::ptrdiff_t>(at), names.begin() + static_cast<std::ptrdiff_t>(end)});
  }
  auto text = revoked_.text();
  if (removed) removed = co_await save_note(kRevokedNote, std::move(text));
  co_return removed;
}

/// First in memory: else a row that is saved meanwhile would bring it back.
net::Task<Result<void>> Fleet::remove_some(std::vector<ShardName> names) {
  for (std::size_t i = 0, all = names.size(); i < all; ++i) {
    const auto found = processes_.find(names[i]);
    if (found == processes_.end()) continue;
    names.insert(names.end(), found->second.begin(), found->second.end());
    processes_.erase(found);
  }
  // Further processes of these that are being saved right now go as well, from the store after they got
  // there.
  const std::set<ShardName> revoked(names.begin(), names.end());
  for (const auto& adding : adding_) {
    std::erase_if(*adding, [&](const ShardName& name) {
      const bool goes = revoked.contains(name) || revoked.contains(name.process(0));
      if (goes && !revoked.contains(name)) names.push_back(name);
      return goes;
    });
  }
  for (const auto& name : names) {
    auto* const shard = find(name);
    if (shard == nullptr) continue;
    auto* const session = shard->session;
    if (shard->connected) deliver(fleet::Order{fleet::Order::Kind::exit, name, {}});
    spdlog::warn("shard {} is revoked", name.str());
    dispatch_.remove(*shard);
    ring_.leave(name);
    history_.forget(name);
    revoked_.add(name, shard->info.used, net::wall_clock());
    if (const auto own = processes_.find(name.process(0)); own != processes_.end()) own->second.erase(name);
    shard->info.goal = {};
    list(*shard);
    masters_.erase(name);
    if (counts_as_registered(*shard)) --registered_;
    index_.erase(name);
    shards_.erase(name);
    if (session != nullptr) session->close();
  }
  replan();
  co_return co_await in_store([this, &names]() -> Result<void> {
    auto removed = store_.remove(names);
    return removed ? past_.forget(names) : removed;
  });
}

net::Task<Result<void>> Fleet::add_history(std::vector<fleet::SampleBlock> blocks) {
  const auto oldest = net::wall_clock() - settings_.history_length;
  co_return co_await in_store([this, &blocks, oldest] { return past_.save_history(blocks, oldest); });
}

net::Task<Result<std::vector<fleet::Sample>>> Fleet::history(ShardName name, Time since) {
  since = std::max(since, net::wall_clock() - settings_.history_length);
  // First what may not be on disk: what is written meanwhile is in both then, rather than in neither.
  auto held = history_.held(name);
  co_return co_await net::run_in(store_thread_, [&]() -> Result<std::vector<fleet::Sample>> {
    auto blocks = past_.load_history(name, since);
    if (!blocks) return blocks.error();
    std::erase_if(*blocks, [&](const fleet::SampleBlock& saved) {
      return std::any_of(held.begin(), held.end(),
                         [&](const auto& block) { return block.first == saved.first; });
    });
    std::move(held.begin(), held.end(), std::back_inserter(*blocks));
    return fleet::merge(*blocks, since);
  });
}

/// Whether it is another one.
bool Fleet::update_config_text() {
  const auto& s = settings_;
  const boost::json::object heartbeat{{"updateStyle", to_string(s.update_style)},
                                      {"interval", s.interval.count()},
                                      {"requestRebootAfter", s.request_reboot_after.count()},
                                      {"expectRebootAfter", s.expect_reboot_after.count()},
                                      {"assumeDeadAfter", s.assume_dead_after.count()},
                                      {"useMessageStats", s.use_message_stats}};
  auto text = json::serialize(
      boost::json::object{{"botName", s.bot_name},
                          {"nodeArgs", boost::json::array(s.node_args.begin(), s.node_args.end())},
                          {"botArgs", boost::json::array(s.bot_args.begin(), s.bot_args.end())},
                          {"heartbeat", heartbeat}});
  if (text == config_text_) return false;
  config_text_ = std::move(text);
  return true;
}

void Fleet::arm_heartbeats() {
  heartbeat_timer_.cancel();
  if (finished_ || settings_.update_style != UpdateStyle::pull) return;
  const auto now = std::chrono::steady_clock::now();
  const auto next = ring_.next(now, settings_.interval, settings_.disperse);
  if (!next) return;
  heartbeat_timer_.expires_at(*next);
  heartbeat_timer_.async_wait([this](boost::system::error_code error) {
    if (!error) send_heartbeats();
  });
}

void Fleet::send_heartbeats() {
  const auto now = std::chrono::steady_clock::now();
  for (const auto& name : ring_.due(now, settings_.interval, settings_.disperse, kAskedAtOnce)) {
    if (auto* const shard = find(name)) send_update(*shard);
  }
  arm_heartbeats();
}

void Fleet::arm_flush() {
  if (finished_) return;
  flush_timer_.expires_after(kFlushInterval);
  flush_timer_.async_wait([this](boost::system::error_code error) {
    if (error) return;
    tasks_.spawn("flush", flush_and_go_on(), [this] { arm_flush(); });
  });
}

net::Task<> Fleet::flush_and_go_on() {
  co_await flush();
  arm_flush();
}

/// So many rows at a time, each handed over in the turn in which it was copied: no older row of a shard comes
/// behind a newer one.
net::Task<> Fleet::flush() {
  log::say_held_back(std::chrono::steady_clock::now());
  auto blocks = history_.take_unsaved();
  Result<void> written;
  // Those of now, not those who come meanwhile; and the last flush of a server that ends may take some of
  // them.
  for (auto left = dirty_.size(); left > 0 && written;) {
    std::vector<fleet::ShardInfo> infos;
    for (; left > 0 && !dirty_.empty() && infos.size() < kSavedAtOnce; --left) {
      auto* const shard = find(dirty_.front());
      dirty_.pop_front();
      if (shard != nullptr && std::exchange(shard->dirty, false)) infos.push_back(shard->info);
    }
    if (infos.empty()) break;
    written = co_await in_store([&] { return store_.save(infos); });
    if (written) continue;
    for (const auto& info : infos) {
      if (auto* const shard = find(info.id)) save_soon(*shard);
    }
  }
  if (blocks.empty()) co_return;
  const auto oldest = net::wall_clock() - settings_.history_length;
  if (written) written = co_await in_store([&] { return past_.save_history(blocks, oldest); });
  if (!written) history_.put_back(std::move(blocks));
}

/// Notes that the store begins to fail, or works again; both are said once.
void Fleet::store_wrote(const Result<void>& written) {
  if (written) {
    if (!store_trouble_.empty()) spdlog::info("the store can be written again");
    store_trouble_.clear();
    return;
  }
  if (written.error().kind == ErrorKind::not_permitted && deposed) deposed(written.error().message);
  if (store_trouble_.empty()) {
    const auto text = written.error().message +
                      ". Shards are served from memory meanwhile; new shards and new ids wait until it works";
    spdlog::error("{}", text);
    if (alert) alert(text);
  }
  store_trouble_ = written.error().message;
}

net::Task<> Fleet::finish(bool save) {
  deliver();
  for (const auto& order : std::exchange(outbox_, {})) deliver(order);
  finished_ = true;
  plan_timer_.cancel();
  tick_timer_.cancel();
  dispatch_timer_.cancel();
  heartbeat_timer_.cancel();
  flush_timer_.cancel();
  if (save) co_await flush();
  co_await tasks_.join();
}

}  // namespace smaster::server
