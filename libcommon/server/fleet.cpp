#include "server/fleet.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/detached.hpp>
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
/// What an agent's bot gets to end when it has lost its master (agent/agent.cpp), and a little for the way.
constexpr Millis kAgentMargin{7'000};

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
      flush_timer_(context.get_executor()) {
  update_config_text();
}

Result<Kept> Fleet::read() {
  auto shards = store_.load_registry();
  if (!shards) return shards.error();
  auto target = store_.load_note(kTargetNote);
  if (!target) return target.error();
  auto identify = store_.load_note(kIdentifyNote);
  if (!identify) return identify.error();
  return Kept{std::move(*shards), std::move(*target), std::move(*identify)};
}

void Fleet::take(Kept kept) {
  for (auto& info : kept.shards) insert(std::move(info));
  if (const auto target = parse_target(kept.target)) target_ = *target;
  const bool asks_discord = !settings_.token_file.empty() || !settings_.token_env.empty();
  if (const auto limits = parse_limits(kept.identify); limits && asks_discord) {
    dispatch_.limit(*limits);
    budget_ = *limits;
  }
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
  if (shard.parked) return "parked";
  if (shard.status && shard.status->bot && shard.status->bot->crash_loop) return "crashing";
  if (!shard.told) return "queued";
  return info.runs_goal() ? "running" : "starting";
}

Shard* Fleet::find(const ShardName& name) {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : found->second;
}

void Fleet::insert(fleet::ShardInfo info) {
  const auto name = info.id;
  auto& shard = shards_.emplace(name, std::move(info)).first->second;
  index_.emplace(name, &shard);
  dispatch_.add(shard);
}

Fleet::ById Fleet::by_id() {
  std::vector<Shard*> holders(static_cast<std::size_t>(std::max(goal().value, 0)));
  const auto add = [&](bool present) {
    for (auto& [name, shard] : shards_) {
      const auto& goal_role = shard.info.goal;
      if (shard.info.is_master || (goal_role.count == goal()) != present) continue;
      for (const auto id : goal_role.ids) {
        if (id.value >= goal().value) continue;
        auto& holder = holders[static_cast<std::size_t>(id.value)];
        if (holder == nullptr) holder = &shard;
      }
    }
  };
  add(true);
  add(false);  // while the count changes, the old generation stands in for what is not there yet
  ById::sequence_type found;
  found.reserve(holders.size());
  for (std::int32_t id = 0; id < goal().value; ++id) {
    if (auto* const holder = holders[static_cast<std::size_t>(id)]) found.emplace_back(ShardId{id}, holder);
  }
  return ById(boost::container::ordered_unique_range, found.begin(), found.end());
}

const Shard* Fleet::live_master() const {
  for (const auto& [name, shard] : shards_) {
    if (shard.info.is_master && shard.session != nullptr) return &shard;
  }
  return nullptr;
}

void Fleet::attach(ShardSession& session) {
  auto& shard = *find(session.name());
  auto* const old = std::exchange(shard.session, &session);
  ring_.leave(session.name());
  if (old != nullptr) {
    dispatch_.left(shard);
    log::shard(spdlog::level::info,
               {"replaced", session.name().str(), shard.info.goal.first(), session.address()},
               "shard " + session.name().str() + " connected again, its old connection is closed");
    old->close();
  }
  seen(shard);
}

void Fleet::introduced(ShardSession& session, std::uint32_t capacity, const std::string& host) {
  auto* const shard = find(session.name());
  if (shard == nullptr || shard->session != &session) return;
  shard->info.capacity = capacity;
  shard->info.host = host;
  shard->dirty = true;
  dispatch_.changed(*shard);
}

void Fleet::joined(ShardSession& session) {
  auto* const shard = find(session.name());
  if (shard == nullptr || shard->session != &session) return;
  shard->margin = session.is_agent() ? kAgentMargin : Millis{0};
  dispatch_.joined(*shard, session.is_agent(), net::fleet_clock());
  ring_.join(session.name());
  arm_heartbeats();
  replan();
}

void Fleet::detach(ShardSession& session) {
  auto* const shard = find(session.name());
  if (shard == nullptr || shard->session != &session) return;  // it was replaced
  shard->session = nullptr;
  dispatch_.left(*shard);
  ring_.leave(session.name());
  seen(*shard);  // its agent may have heard us until now
  replan();
}

void Fleet::seen(Shard& shard) {
  shard.info.last_seen = net::fleet_clock();
  shard.dirty = true;
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
  if (!settings_.use_message_stats || shard.quiet < kQuietHeartbeats) info.last_heartbeat = now;
  if (shard.past == nullptr) shard.past = &history_.of(info.id);
  history_.add(*shard.past, status, net::wall_clock());
  const auto believed = std::pair(info.current, shard.ready);
  const bool expected = shard.awaiting_status;
  const auto parked = dispatch_.status(shard, status, now);
  if (parked) say(*parked);
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

net::Task<Result<void>> Fleet::add(std::vector<fleet::ShardInfo> infos) {
  auto saved = co_await in_store([this, &infos] { return store_.save(infos); });
  if (!saved) co_return saved;
  for (auto& info : infos) {
    insert(std::move(info));
  }
  replan();
  co_return saved;
}

/// First in memory: else a row that is saved meanwhile would bring it back.
net::Task<Result<void>> Fleet::remove(std::vector<ShardName> names) {
  for (const auto& name : names) {
    auto& shard = *find(name);
    auto* const session = shard.session;
    if (shard.connected) exit(shard);
    deliver();
    spdlog::warn("shard {} is revoked", name.str());
    dispatch_.remove(shard);
    ring_.leave(name);
    history_.forget(name);
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

void Fleet::update_config_text() {
  const auto& s = settings_;
  const boost::json::object heartbeat{{"updateStyle", to_string(s.update_style)},
                                      {"interval", s.interval.count()},
                                      {"requestRebootAfter", s.request_reboot_after.count()},
                                      {"expectRebootAfter", s.expect_reboot_after.count()},
                                      {"assumeDeadAfter", s.assume_dead_after.count()},
                                      {"useMessageStats", s.use_message_stats}};
  config_text_ = json::serialize(
      boost::json::object{{"botName", s.bot_name},
                          {"nodeArgs", boost::json::array(s.node_args.begin(), s.node_args.end())},
                          {"botArgs", boost::json::array(s.bot_args.begin(), s.bot_args.end())},
                          {"heartbeat", heartbeat}});
}

void Fleet::arm_heartbeats() {
  if (finished_) return;
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
  const auto due = ring_.due(now, settings_.interval, settings_.disperse);
  if (settings_.update_style == UpdateStyle::pull) {
    for (const auto& name : due) send_update(*find(name));
  }
  arm_heartbeats();
}

void Fleet::arm_flush() {
  if (finished_) return;
  flush_timer_.expires_after(kFlushInterval);
  flush_timer_.async_wait([this](boost::system::error_code error) {
    if (error) return;
    asio::co_spawn(context_, flush(), [this](std::exception_ptr) { arm_flush(); });
  });
}

net::Task<> Fleet::flush() {
  log::say_held_back(std::chrono::steady_clock::now());
  auto blocks = history_.take_unsaved();
  std::vector<fleet::ShardInfo> infos;
  for (auto& [name, shard] : shards_) {
    if (std::exchange(shard.dirty, false)) infos.push_back(shard.info);
  }
  if (blocks.empty() && infos.empty()) co_return;
  const auto oldest = net::wall_clock() - settings_.history_length;
  const auto written = co_await in_store([&]() -> Result<void> {
    auto result = infos.empty() ? Result<void>{} : store_.save(infos);
    return result && !blocks.empty() ? past_.save_history(blocks, oldest) : result;
  });
  if (written) co_return;
  history_.put_back(std::move(blocks));
  for (const auto& info : infos) {
    if (auto* shard = find(info.id)) shard->dirty = true;
  }
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
  finished_ = true;
  plan_timer_.cancel();
  tick_timer_.cancel();
  dispatch_timer_.cancel();
  heartbeat_timer_.cancel();
  flush_timer_.cancel();
  if (save) co_await flush();
}

}  // namespace smaster::server
