#include "server/respawn.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "server/core.hpp"
#include "server/shard_session.hpp"

namespace smaster::server {
namespace {

constexpr Millis kLookEvery{100};
/// How often a respawning shard is asked for a status; between heartbeats it would not tell.
constexpr Millis kNudgeEvery{1'000};

}  // namespace

std::vector<RespawnTarget> respawn_targets(Core& core, const std::vector<ShardId>& ids) {
  std::vector<RespawnTarget> targets;
  const auto by_id = core.fleet.by_id();
  if (ids.empty()) {
    for (const auto& [id, shard] : by_id) targets.push_back({id, shard->info.id, shard->joined});
  }
  for (const auto id : ids) {
    const auto at = by_id.find(id);
    targets.push_back(at == by_id.end() ? RespawnTarget{id, std::nullopt, false}
                                        : RespawnTarget{id, at->second->info.id, at->second->joined});
  }
  return targets;
}

void respawn(Core& core, const std::vector<RespawnTarget>& targets, Millis delay) {
  std::int64_t turn = 0;
  for (const auto& target : targets) {
    if (!target.connected) continue;
    auto* const shard = core.fleet.find(*target.name);
    if (shard == nullptr || !shard->joined) continue;
    const auto wait = std::to_string(turn++ * delay.count());
    spdlog::info("shard {} (id {}) is told to respawn in {} ms", target.name->str(), target.id.value, wait);
    shard->session->emit("respawn", {wait});
  }
}

RespawnWatch::RespawnWatch(Core& core, const std::vector<RespawnTarget>& targets)
    : core_(core), timer_(core.context.get_executor()), begun_(std::chrono::steady_clock::now()) {
  for (const auto& target : targets) {
    if (!target.connected) continue;
    const auto& shard = *core_.fleet.find(*target.name);
    waiting_.emplace(*target.name, Before{shard.status ? shard.status->start_time : fleet::kNever, false});
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
  if (shard == nullptr || !shard->joined || !shard->status || shard->status_at <= begun_) return false;
  const bool running = shard->info.runs_goal();
  if (!running) before.stopped = true;
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
