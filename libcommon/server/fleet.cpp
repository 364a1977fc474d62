#include "server/fleet.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/json/object.hpp>
#include <utility>

#include "base/text.hpp"
#include "json/json.hpp"
#include "net/clock.hpp"
#include "server/shard_session.hpp"

namespace smaster::server {
namespace {

namespace asio = net::asio;

/// Changes that come together are planned together.
constexpr Millis kPlanDelay{5};
/// Statuses are on disk at most this much later, plus the write itself; three seconds are promised.
constexpr std::chrono::seconds kFlushInterval{1};
constexpr std::chrono::seconds kRetrySave{1};
constexpr Millis kFirstCorrectionPause{1'000};
constexpr unsigned kQuietHeartbeats = 2;
/// What an agent's bot gets to end when it has lost its master (agent/agent.cpp), and a little for the way.
constexpr Millis kAgentMargin{7'000};

}  // namespace

std::string_view state_word(const Shard& shard, const Settings& settings, Time now) {
  const auto& info = shard.info;
  if (shard.session == nullptr) {
    if (!info.registered()) return "new";
    return now - info.last_seen >= settings.assume_dead_after ? "dead" : "offline";
  }
  if (now - info.last_seen >= settings.request_reboot_after) return "silent";
  if (!info.goal_shard_id.bound()) return "spare";
  if (shard.status && shard.status->bot && shard.status->bot->crash_loop) return "crashing";
  if (!shard.told) return "queued";
  return info.runs_goal() ? "running" : "starting";
}

Fleet::Fleet(asio::io_context& context, const Settings& settings, store::Store& store)
    : context_(context),
      settings_(settings),
      store_(store),
      identify_(net::wall_clock()),
      identify_timer_(context.get_executor()),
      plan_timer_(context.get_executor()),
      tick_timer_(context.get_executor()),
      heartbeat_timer_(context.get_executor()),
      flush_timer_(context.get_executor()) {
  update_config_text();
}

Result<void> Fleet::load() {
  auto shards = store_.load_registry();
  if (!shards) return shards.error();
  for (auto& info : *shards) {
    const auto name = info.id;
    shards_.emplace(name, std::move(info));
  }
  auto samples = store_.load_history(net::wall_clock() - settings_.history_length);
  if (!samples) return samples.error();
  for (auto& sample : *samples) {
    if (auto* shard = find(sample.shard); shard != nullptr) history_.restore(std::move(sample));
  }
  return {};
}

void Fleet::start() {
  since_ = net::wall_clock();
  replan();
  arm_tick();
  arm_heartbeats();
  arm_flush();
}

Shard* Fleet::find(const ShardName& name) {
  const auto found = shards_.find(name);
  return found == shards_.end() ? nullptr : &found->second;
}

std::map<ShardId, Shard*> Fleet::by_id() {
  std::map<ShardId, Shard*> found;
  for (auto& [name, shard] : shards_) {
    const auto& info = shard.info;
    if (!info.is_master && info.goal_shard_id.bound() && info.goal_shard_count == goal()) {
      found.emplace(info.goal_shard_id, &shard);
    }
  }
  return found;
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
  shard.joined = false;
  ring_.leave(session.name());
  if (old != nullptr) {
    spdlog::info("shard {} connected again, its old connection is closed", session.name().str());
    old->close();
  }
  seen(shard);
}

void Fleet::joined(ShardSession& session) {
  auto* const shard = find(session.name());
  if (shard == nullptr || shard->session != &session) return;
  shard->joined = true;
  shard->told = false;
  ring_.join(session.name());
  arm_heartbeats();
  replan();
}

void Fleet::detach(ShardSession& session) {
  auto* const shard = find(session.name());
  if (shard == nullptr || shard->session != &session) return;  // it was replaced
  shard->session = nullptr;
  shard->joined = false;
  ring_.leave(session.name());
  seen(*shard);  // its agent may have heard us until now
  identify_.forget(session.name());
  shard->respawn_due = false;
  replan();
}

void Fleet::seen(Shard& shard) {
  shard.info.last_seen = net::wall_clock();
  shard.dirty = true;
}

void Fleet::status(Shard& shard, std::string_view text) {
  const auto value = json::parse(text);
  if (!value || !value->is_object()) {
    spdlog::warn("shard {} sent a status that is no object; ignored", shard.info.id.str());
    return;
  }
  const auto now = net::wall_clock();
  if (!shard.status) shard.status = std::make_unique<fleet::ShardStatus>();
  auto& status = *shard.status;
  fleet::read(value->get_object(), status);
  if (status.timestamp == fleet::kNever) status.timestamp = now;

  const auto instant = std::chrono::steady_clock::now();
  shard.status_at = instant;
  auto& info = shard.info;
  seen(shard);
  // Without messages in two heartbeats a bot is as good as gone, if messages are what we go by; one that runs
  // nothing has none to count, and −1 is from one that cannot.
  const bool quiet = status.message_count_delta == 0 && status.current_shard_id.bound();
  shard.quiet = quiet ? shard.quiet + 1 : 0;
  if (!settings_.use_message_stats || shard.quiet < kQuietHeartbeats) info.last_heartbeat = now;
  const auto believed = std::pair(info.current_shard_id, info.current_shard_count);
  fleet::believe_status(status, info);
  if (believed != std::pair(info.current_shard_id, info.current_shard_count)) replan();
  history_.add(info.id, status, now, settings_.history_length);

  const bool agrees =
      status.goal_shard_id == info.goal_shard_id && status.goal_shard_count == info.goal_shard_count;
  if (agrees) {
    shard.correction_pause = {};
  } else if (instant >= shard.corrected + shard.correction_pause) {
    // A shard that never learns is told ever more rarely, up to once an interval.
    shard.corrected = instant;
    shard.correction_pause =
        std::min(std::max(shard.correction_pause * 2, kFirstCorrectionPause), settings_.interval);
    spdlog::info("shard {} reports id {} of {}, it has {} of {}; corrected", info.id.str(),
                 status.goal_shard_id.value, status.goal_shard_count.value, info.goal_shard_id.value,
                 info.goal_shard_count.value);
    send_update(shard);
    return;
  }
  if (settings_.update_style == UpdateStyle::push) send_update(shard);
}

net::Task<Result<void>> Fleet::add(std::vector<fleet::ShardInfo> infos) {
  auto saved = co_await net::run_in(store_thread_, [this, &infos] { return store_.save(infos); });
  if (!saved) co_return saved;
  for (auto& info : infos) {
    const auto name = info.id;
    shards_.emplace(name, std::move(info));
  }
  replan();
  co_return saved;
}

void Fleet::replan() {
  if (finished_ || std::exchange(plan_due_, true)) return;
  plan_timer_.expires_after(kPlanDelay);
  plan_timer_.async_wait([this](boost::system::error_code error) {
    plan_due_ = false;
    if (!error) run_plan();
  });
}

/// Silence is noticed by looking, a twentieth of the shortest patience apart.
void Fleet::arm_tick() {
  const auto pause = std::clamp<Millis>(settings_.request_reboot_after / 20, Millis{100}, Millis{5'000});
  tick_timer_.expires_after(pause);
  tick_timer_.async_wait([this](boost::system::error_code error) {
    if (error || finished_) return;
    replan();
    arm_tick();
  });
}

void Fleet::run_plan() {
  std::vector<fleet::Member> members;
  members.reserve(shards_.size());
  for (const auto& [name, shard] : shards_) {
    const bool agent = shard.status && shard.status->bot;
    members.push_back({&shard.info, shard.joined, shard.reboot_asked, agent ? kAgentMargin : Millis{0}});
  }
  const auto plan = fleet::plan(
      members, {goal(), settings_.auto_generate, settings_.request_reboot_after,
                settings_.expect_reboot_after, settings_.assume_dead_after, net::wall_clock(), since_});
  apply(plan.assignments);
  for (const auto& name : plan.reboots) reboot(name);
  tell_all();
  if (plan.generate != fleet::Generate::nothing && !generating_ && generate) {
    generating_ = true;
    asio::co_spawn(context_, generate_one(plan.generate), asio::detached);
  }
}

void Fleet::reboot(const ShardName& name) {
  auto& shard = *find(name);
  spdlog::warn("shard {} (id {}) has given no sign of life for {}: it is told to reboot", name.str(),
               shard.info.goal_shard_id.value, format_duration(settings_.request_reboot_after));
  shard.reboot_asked = net::wall_clock();
  respawn(shard);
}

void Fleet::apply(const std::vector<fleet::Assign>& assignments) {
  if (assignments.empty()) return;
  std::vector<ShardName> names;
  const auto now = net::wall_clock();
  for (const auto& assignment : assignments) {
    auto& shard = *find(assignment.shard);
    spdlog::info("shard {} gets id {} of {}, had {} of {}", assignment.shard.str(), assignment.id.value,
                 assignment.count.value, shard.info.goal_shard_id.value, shard.info.goal_shard_count.value);
    fleet::apply(assignment, shard.info, now);
    shard.told = false;
    ++shard.saving;
    names.push_back(assignment.shard);
  }
  asio::co_spawn(context_, save_then_tell(std::move(names)), asio::detached);
}

net::Task<> Fleet::save_then_tell(std::vector<ShardName> names) {
  while (!finished_) {
    std::vector<fleet::ShardInfo> infos;
    for (const auto& name : names) {
      if (const auto* shard = find(name)) infos.push_back(shard->info);
    }
    const auto saved = co_await net::run_in(store_thread_, [this, &infos] { return store_.save(infos); });
    if (saved) break;
    spdlog::error("{}; shards are told their ids once it works again", saved.error().message);
    net::Timer pause(context_.get_executor(), kRetrySave);
    boost::system::error_code ignored;
    co_await pause.async_wait(asio::redirect_error(net::use_task, ignored));
  }
  for (const auto& name : names) {
    if (auto* shard = find(name)) --shard->saving;
  }
  if (!finished_) tell_all();
}

void Fleet::tell_all() {
  for (auto& [name, shard] : shards_) {
    if (!shard.told) send_update(shard);
  }
}

/// A bot that is to start logs in, and waits for its turn; one that already runs what it is told does not.
void Fleet::send_update(Shard& shard) {
  if (!shard.joined || shard.saving > 0) return;
  const auto& info = shard.info;
  const bool logs_in = !info.is_master && info.goal_shard_id.bound() && !info.runs_goal();
  if (shard.told) return send_now(shard);
  if (!logs_in) {
    identify_.forget(info.id);
    return send_now(shard);
  }
  identify_.want(info.id, info.goal_shard_id);
  arm_identify();
}

void Fleet::respawn(Shard& shard) {
  if (!shard.joined) return;
  shard.respawn_due = true;
  identify_.want(shard.info.id, shard.info.goal_shard_id);
  arm_identify();
}

/// Those who come together are looked at together: each look goes through all who wait.
void Fleet::arm_identify() {
  if (std::exchange(identify_due_, true)) return;
  asio::post(context_, [this] {
    identify_due_ = false;
    wait_for_turn();
  });
}

void Fleet::wait_for_turn() {
  const auto next = identify_.next(net::wall_clock());
  if (!next || finished_) return;
  identify_timer_.expires_after(std::max(*next - net::wall_clock(), Millis{0}));
  identify_timer_.async_wait([this](boost::system::error_code error) {
    if (!error) start_due();
  });
}

void Fleet::start_due() {
  for (const auto& name : identify_.due(net::wall_clock())) {
    auto* const shard = find(name);
    if (shard == nullptr || !shard->joined) continue;
    if (std::exchange(shard->respawn_due, false)) shard->session->emit("respawn", {"0"});
    if (!shard->told && shard->saving == 0) send_now(*shard);
  }
  arm_identify();
}

void Fleet::discord_says(ShardCount recommended, const fleet::IdentifyLimits& limits) {
  recommended_ = recommended;
  identify_.limit(limits);
  arm_identify();
  replan();
}

void Fleet::send_now(Shard& shard) {
  shard.told = true;
  const auto& info = shard.info;
  const auto update = R"({"id":)" + std::to_string(info.goal_shard_id.value) + R"(,"count":)" +
                      std::to_string(info.goal_shard_count.value) +
                      (info.is_master ? R"(,"master":true,"config":)" : R"(,"master":false,"config":)") +
                      config_text_ + '}';
  shard.session->emit("update", {update});
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

void Fleet::settings_changed() {
  update_config_text();
  for (auto& [name, shard] : shards_) shard.told = false;
  replan();
  arm_heartbeats();
}

net::Task<> Fleet::generate_one(fleet::Generate what) {
  co_await generate(what);
  generating_ = false;
  replan();
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
  auto samples = history_.take_unsaved();
  std::vector<fleet::ShardInfo> infos;
  for (auto& [name, shard] : shards_) {
    if (std::exchange(shard.dirty, false)) infos.push_back(shard.info);
  }
  if (samples.empty() && infos.empty()) co_return;
  const auto oldest = net::wall_clock() - settings_.history_length;
  const auto written = co_await net::run_in(store_thread_, [&]() -> Result<void> {
    auto result = infos.empty() ? Result<void>{} : store_.save(infos);
    return result && !samples.empty() ? store_.append_history(samples, oldest) : result;
  });
  if (!written) {
    // Said once; the samples wait for the next try.
    if (!std::exchange(store_failing_, true)) spdlog::error("{}; trying again", written.error().message);
    history_.put_back(std::move(samples));
    for (const auto& info : infos) {
      if (auto* shard = find(info.id)) shard->dirty = true;
    }
  } else if (std::exchange(store_failing_, false)) {
    spdlog::info("the store can be written again");
  }
}

net::Task<> Fleet::finish() {
  finished_ = true;
  plan_timer_.cancel();
  tick_timer_.cancel();
  identify_timer_.cancel();
  heartbeat_timer_.cancel();
  flush_timer_.cancel();
  co_await flush();
}

}  // namespace smaster::server
