#include "server/respawn.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "json/json.hpp"
#include "log/log.hpp"
#include "server/core.hpp"
#include "server/shard_session.hpp"

namespace smaster::server {
namespace {

constexpr Millis kLookEvery{100};
/// How often a respawning shard is asked for a status; between heartbeats it would not tell.
constexpr Millis kNudgeEvery{1'000};

/// Where logins are limited a shard does not wait by itself: it is told when it is its turn. One that is
/// parked runs nothing that it could respawn: it is let go.
void respawn_after(Core& core, const ShardName& name, Millis wait) {
  auto timer = std::make_shared<net::Timer>(core.context.get_executor(), wait);
  timer->async_wait([&core, name, timer](boost::system::error_code error) {
    auto* const shard = core.fleet.find(name);
    if (!error && shard != nullptr) core.fleet.respawn(*shard);
  });
}

}  // namespace

std::vector<RespawnTarget> respawn_targets(Core& core, const std::optional<std::vector<ShardId>>& ids) {
  std::vector<RespawnTarget> targets;
  const auto by_id = core.fleet.by_id();
  if (!ids) {
    for (const auto& [id, shard] : by_id) targets.push_back({id, shard->info.id, shard->connected});
    return targets;
  }
  for (const auto id : *ids) {
    const auto at = by_id.find(id);
    targets.push_back(at == by_id.end() ? RespawnTarget{id, std::nullopt, false}
                                        : RespawnTarget{id, at->second->info.id, at->second->connected});
  }
  return targets;
}

void respawn(Core& core, const std::vector<RespawnTarget>& targets, Millis delay) {
  std::int64_t turn = 0;
  for (const auto& target : targets) {
    auto* const shard = target.name ? core.fleet.find(*target.name) : nullptr;
    if (shard == nullptr) continue;
    if (!shard->connected) {
      core.fleet.respawn(*shard);  // when it returns
      continue;
    }
    const auto wait = turn++ * delay;
    log::shard(spdlog::level::info, {"respawn", target.name->str(), target.id, {}},
               "shard " + target.name->str() + " (id " + std::to_string(target.id.value) +
                   ") is told to respawn in " + std::to_string(wait.count()) + " ms");
    if (core.fleet.identify().limits() || shard->parked) {
      respawn_after(core, *target.name, wait);
    } else {
      core.fleet.respawn_after(*shard, wait);
    }
  }
}

RollOptions read_roll_options(const boost::json::object& object) {
  constexpr std::int64_t kLongest = 3'600'000;
  RollOptions options;
  const auto read = [&](std::string_view key, Millis& out) {
    std::int64_t ms = out.count();
    json::read(object, key, ms);
    if (ms >= 0 && ms <= kLongest) out = Millis{ms};
  };
  read("shardDelay", options.shard_delay);
  read("timeout", options.timeout);
  return options;
}

void roll(Core& core, std::vector<RespawnTarget> targets, RollOptions options) {
  std::erase_if(targets, [&](RespawnTarget& target) {
    const auto* const shard = target.name ? core.fleet.find(*target.name) : nullptr;
    target.connected = shard != nullptr && shard->connected;
    return !target.connected;
  });
  if (targets.empty()) return;
  const std::vector<RespawnTarget> first(1, targets.front());
  targets.erase(targets.begin());
  const auto next_at = std::chrono::steady_clock::now() + options.shard_delay;
  const auto watch = std::make_shared<RespawnWatch>(core, first);
  respawn(core, first, Millis{0});
  const auto go_on = [&core, targets = std::move(targets), options,
                      next_at](const std::vector<ShardName>& late) {
    for (const auto& name : late)
      spdlog::warn("shard {} is not back in time; the next one's turn", name.str());
    auto pause = std::make_shared<net::Timer>(core.context.get_executor(), next_at);
    pause->async_wait([&core, targets, options, pause](boost::system::error_code error) {
      if (!error) roll(core, targets, options);
    });
  };
  watch->run(
      Millis{0}, options.timeout, [](const ShardName&, Millis) {}, go_on);
}

RespawnWatch::RespawnWatch(Core& core, const std::vector<RespawnTarget>& targets)
    : core_(core), timer_(core.context.get_executor()), begun_(std::chrono::steady_clock::now()) {
  for (const auto& target : targets) {
    if (!target.connected) continue;
    const auto& shard = *core_.fleet.find(*target.name);
    const auto* const status = shard.status.get();
    waiting_.emplace(*target.name, Before{status != nullptr ? status->start_time : fleet::kNever, false,
                                          status != nullptr && status->bot && status->bot->ready == true});
  }
}

void RespawnWatch::run(Millis delay, Millis timeout, OnBack on_back, OnEnd on_end) {
  on_back_ = std::move(on_back);
  on_end_ = std::move(on_end);
  const auto turns = static_cast<std::int64_t>(waiting_.size());
  deadline_ = begun_ + delay * turns + timeout;
  next_nudge_ = begun_ + kNudgeEvery;
  look();
}

bool RespawnWatch::is_back(const ShardName& name, Before& before) const {
  const auto* const shard = core_.fleet.find(name);
  if (shard == nullptr || !shard->connected || !shard->status || shard->status_at <= begun_) return false;
  const bool running = shard->info.runs_goal();
  if (!running) before.stopped = true;
  if (before.ready && shard->status->bot && shard->status->bot->ready != true) return false;
  const bool reconnected = shard->session->since() > begun_ && shard->status_at > shard->session->since();
  return running && (before.stopped || reconnected || shard->status->start_time != before.start_time);
}

void RespawnWatch::look() {
  const auto now = std::chrono::steady_clock::now();
  for (auto at = waiting_.begin(); at != waiting_.end();) {
    if (!is_back(at->first, at->second)) {
      ++at;
      continue;
    }
    const auto name = at->first;
    at = waiting_.erase(at);
    on_back_(name, std::chrono::duration_cast<Millis>(now - begun_));
  }
  if (waiting_.empty() || now >= deadline_) {
    std::vector<ShardName> late;
    for (const auto& [name, before] : waiting_) late.push_back(name);
    if (const auto on_end = std::exchange(on_end_, nullptr)) on_end(late);
    return;
  }
  if (now >= next_nudge_) {
    next_nudge_ = now + kNudgeEvery;
    for (const auto& [name, before] : waiting_) {
      if (auto* shard = core_.fleet.find(name)) core_.fleet.send_update(*shard);
    }
  }
  timer_.expires_after(kLookEvery);
  timer_.async_wait([self = shared_from_this()](boost::system::error_code error) {
    if (!error) self->look();
  });
}

void RespawnWatch::cancel() {
  timer_.cancel();
  on_end_ = nullptr;
  waiting_.clear();
}

}  // namespace smaster::server
