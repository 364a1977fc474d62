#include "server/requests/respawn.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "json/json.hpp"
#include "log/log.hpp"
#include "net/clock.hpp"
#include "server/requests/eval.hpp"
#include "server/shards/shard_session.hpp"

namespace smaster::server {
namespace {

/// How often a respawning shard is asked for a status, in addition to heartbeats.
constexpr Millis kNudgeEvery{1'000};

/// With login limits, a shard does not delay itself: it is told after its delay. So is a parked shard, which
/// runs no bot: it is tried again.
net::Task<> respawn_in_turn(const RespawnParts& parts, std::vector<RespawnTarget> targets, Millis delay) {
  struct Later {
    ShardName name;
    Millis wait;
  };
  std::vector<Later> later;
  std::int64_t turn = 0;
  Slice slice(parts.slices, kForOperators);
  co_await slice.next();
  for (const auto& target : targets) {
    if (slice.over()) co_await slice.next();
    auto* const shard = target.name ? parts.directory.find(*target.name) : nullptr;
    if (shard == nullptr) continue;
    if (!shard->connected()) {
      parts.sender.respawn(*shard);  // when it returns
      continue;
    }
    const auto wait = turn++ * delay;
    log::shard(spdlog::level::info, {"respawn", target.name->str(), target.id, {}},
               "shard " + target.name->str() + " (id " + std::to_string(target.id.value) +
                   ") is told to respawn in " + std::to_string(wait.count()) + " ms");
    if (parts.sender.identify().limits() || shard->parked()) {
      later.push_back({*target.name, wait});
    } else {
      parts.sender.respawn_after(*shard, wait);
    }
  }
  slice.end();
  const auto begun = net::now();
  net::Timer pause(parts.context.get_executor());
  for (const auto& [name, wait] : later) {
    pause.expires_at(begun + wait);
    co_await pause.async_wait(net::use_task);
    if (auto* const shard = parts.directory.find(name)) parts.sender.respawn(*shard);
  }
}

/// Waits until a respawned shard is back, or late.
net::Task<> wait_until_back(std::shared_ptr<RespawnWatch> watch, Millis timeout) {
  co_await watch->run(
      Millis{0}, timeout, [](const ShardName&, Millis) {},
      [](const ShardName& name, std::int64_t refused) {
        spdlog::warn("shard {} {}; the next one's turn", name.str(),
                     refused == 0 ? "is not back in time" : "is refused by Discord");
      });
}

net::Task<std::vector<RespawnTarget>> all_targets(const RespawnParts& parts) {
  Slice slice(parts.slices, kForOperators);
  co_await slice.next();
  co_return co_await respawn_targets(parts.directory, slice);
}

net::Task<> respawn_all(const RespawnParts& parts, Millis delay) {
  auto targets = co_await all_targets(parts);
  co_await respawn_in_turn(parts, std::move(targets), delay);
}

net::Task<> roll(const RespawnParts& parts, RollOptions options) {
  const auto targets = co_await all_targets(parts);
  net::Timer pause(parts.context.get_executor());
  auto next_at = net::now();
  for (const auto& target : targets) {
    pause.expires_at(next_at);
    co_await pause.async_wait(net::use_task);
    const auto* const shard = target.name ? parts.directory.find(*target.name) : nullptr;
    if (shard == nullptr || !shard->connected()) continue;
    next_at = net::now() + options.shard_delay;
    std::vector<RespawnTarget> one{{target.id, target.name, true}};
    auto watch = std::make_shared<RespawnWatch>(parts);
    watch->add(one.front());
    respawn(parts, std::move(one), Millis{0});
    co_await wait_until_back(std::move(watch), options.timeout);
  }
}

/// Keeps `who` in the set during its lifetime.
class Listing {
 public:
  Listing(std::shared_ptr<std::set<ShardName>> set, ShardName who)
      : set_(std::move(set)), at_(set_->insert(std::move(who)).first) {}
  ~Listing() { set_->erase(at_); }
  Listing(const Listing&) = delete;
  Listing& operator=(const Listing&) = delete;

 private:
  std::shared_ptr<std::set<ShardName>> set_;
  std::set<ShardName>::iterator at_;
};

/// Runs `task`. `listing` is destroyed with the task, even if it never begins.
net::Task<> listed(std::unique_ptr<Listing> listing, net::Task<> task) {
  const auto held = std::move(listing);
  co_await std::move(task);
}

}  // namespace

net::Task<std::vector<RespawnTarget>> respawn_targets(const Directory& directory, Slice& slice,
                                                      std::optional<std::vector<ShardId>> ids) {
  std::vector<RespawnTarget> targets;
  for (const auto id : ids ? *ids : directory.all_ids()) {
    if (slice.over()) co_await slice.next();
    const auto* const holder = directory.holder(id);
    if (holder != nullptr) {
      targets.push_back({id, holder->info.id, holder->connected()});
    } else if (ids) {
      targets.push_back({id, std::nullopt, false});
    }
  }
  co_return targets;
}

void respawn(const RespawnParts& parts, std::vector<RespawnTarget> targets, Millis delay) {
  parts.tasks.spawn("respawn", respawn_in_turn(parts, std::move(targets), delay));
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

Result<void> Respawns::begin(const ShardName& who, const std::function<net::Task<>()>& make) {
  if (under_way_->contains(who)) {
    return fail(ErrorKind::not_permitted, "the respawnAll that shard " + who.str() +
                                              " asked for before is under way; ask again when it is over");
  }
  if (under_way_->size() >= kMost) {
    return fail(ErrorKind::unavailable,
                std::to_string(kMost) + " shards' respawnAll are under way; ask again when one is over");
  }
  parts_.tasks.spawn("respawnAll", listed(std::make_unique<Listing>(under_way_, who), make()));
  return {};
}

Result<void> Respawns::respawn(const ShardName& who, Millis delay) {
  return begin(who, [&] { return respawn_all(parts_, delay); });
}

Result<void> Respawns::roll(const ShardName& who, RollOptions options) {
  return begin(who, [&] { return server::roll(parts_, options); });
}

RespawnWatch::RespawnWatch(const RespawnParts& parts)
    : parts_(parts), woken_(parts.context.get_executor()), begun_(net::now()) {}

void RespawnWatch::add(const RespawnTarget& target) {
  const auto* const shard = target.connected ? parts_.directory.find(*target.name) : nullptr;
  if (shard == nullptr) return;
  const auto* const status = shard->status.get();
  waiting_.emplace(*target.name, Before{status != nullptr ? status->start_time : fleet::kNever, false,
                                        status != nullptr && status->bot && status->bot->ready == true,
                                        shard->refused_process});
}

bool RespawnWatch::is_back(const ShardName& name, Before& before) const {
  const auto* const shard = parts_.directory.find(name);
  if (shard == nullptr || !shard->connected() || !shard->status || shard->status_at <= begun_) return false;
  const bool running = shard->info.runs_goal();
  if (!running) before.stopped = true;
  if (!shard->ready || (before.ready && shard->status->bot && shard->status->bot->ready != true))
    return false;
  const bool reconnected = shard->session->since() > begun_ && shard->status_at > shard->session->since();
  return running && (before.stopped || reconnected || shard->status->start_time != before.start_time);
}

std::int64_t RespawnWatch::refused(const ShardName& name, const Before& before) const {
  const auto* const shard = parts_.directory.find(name);
  return shard == nullptr || shard->refused_process == before.refused_process ? 0 : shard->refused;
}

/// Asks those that are waited for to send a status now.
net::Task<> RespawnWatch::nudge(Slice& slice) {
  co_await in_slices(waiting_, slice, [&](auto& entry) {
    if (auto* const shard = parts_.directory.find(entry.first)) parts_.sender.send_update(*shard);
  });
}

net::Task<> RespawnWatch::run(Millis delay, Millis timeout, OnBack on_back, OnFailed on_failed) {
  const auto news = parts_.news.subscribe([this](const ShardName* name) {
    if (name == nullptr || !waiting_.contains(*name)) return;
    changed_.insert(*name);
    woken_.notify();
  });
  for (const auto& [name, before] : waiting_) changed_.insert(changed_.end(), name);
  const auto deadline = begun_ + delay * static_cast<std::int64_t>(waiting_.size()) + timeout;
  auto next_nudge = begun_ + kNudgeEvery;
  Slice slice(parts_.slices, kForOperators);
  while (!cancelled_ && !waiting_.empty()) {
    co_await slice.next();
    const auto now = net::now();
    for (const auto& name : std::exchange(changed_, {})) {
      if (slice.over()) co_await slice.next();
      if (cancelled_) co_return;
      const auto found = waiting_.find(name);
      if (found == waiting_.end()) continue;  // news of it came while it was looked at
      const auto code = refused(name, found->second);
      if (code == 0 && !is_back(name, found->second)) continue;
      waiting_.erase(found);
      if (code == 0) {
        on_back(name, std::chrono::duration_cast<Millis>(now - begun_));
      } else {
        on_failed(name, code);
      }
    }
    if (now >= deadline) break;
    if (now >= next_nudge) {
      co_await nudge(slice);
      next_nudge = net::now() + kNudgeEvery;
    }
    slice.end();
    if (cancelled_ || !changed_.empty() || waiting_.empty()) continue;
    co_await woken_.wait_until(std::min(next_nudge, deadline));
  }
  for (const auto& [name, before] : waiting_) {
    if (slice.over()) co_await slice.next();
    if (cancelled_) co_return;
    on_failed(name, 0);
  }
}

bool RespawnWatch::is_sure(const ShardName& name) const {
  const auto* const shard = parts_.directory.find(name);
  const bool silent = shard != nullptr && shard->status && shard->status->bot && !shard->status->bot->ready;
  return !silent || !parts_.sender.identify().limits();
}

std::string RespawnWatch::what_it_waits_for(const ShardName& name) const {
  const auto& queue = parts_.sender.identify();
  const auto* const shard = parts_.directory.find(name);
  if (shard == nullptr || !queue.limits() || queue.wishes_of(name).empty()) return {};
  const auto next = queue.next(net::fleet_clock());
  if (!queue.limits()->remaining || !next) return {};
  return ": it waits for its turn to log in; " + std::to_string(*queue.limits()->remaining) +
         " logins are left, of which " + std::to_string(queue.limits()->reserve) +
         " are reserved, and the next turn is in " +
         format_duration(std::max(std::chrono::duration_cast<Millis>(*next - net::fleet_clock()), Millis{0}));
}

void RespawnWatch::cancel() {
  cancelled_ = true;
  woken_.notify();
}

}  // namespace smaster::server
