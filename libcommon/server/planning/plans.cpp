#include "server/planning/plans.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <utility>

#include "base/text.hpp"
#include "net/clock.hpp"
#include "server/shards/shard_event.hpp"

namespace smaster::server {
namespace {

namespace asio = net::asio;

constexpr std::chrono::seconds kRetrySave{1};
/// Maximum number of shards planned, changed, saved or logged in one turn of the loop.
constexpr std::size_t kShardsInOneTurn = 100;

}  // namespace

Plans::Plans(asio::io_context& context, const Settings& settings, Directory& directory, StoreThread& store,
             fleet::Orders& orders, OrderSender& sender, FleetNews& news, Events& events,
             net::TaskScope& tasks)
    : context_(context),
      settings_(settings),
      directory_(directory),
      store_(store),
      orders_(orders),
      sender_(sender),
      news_(news),
      events_(events),
      tasks_(tasks),
      plan_timer_(context.get_executor()),
      tick_timer_(context.get_executor()) {}

void Plans::take_over() {
  plan_settings_.patience.since = net::fleet_clock();
  orders_.take_over(plan_settings_.patience.since);
}

void Plans::stop() {
  stopped_ = true;
  plan_timer_.cancel();
  tick_timer_.cancel();
}

void Plans::set(const fleet::PlanSettings& settings) {
  plan_settings_ = settings;
  orders_.set(plan_settings_);
  replan();
}

void Plans::claimed(Shard& shard) {
  ++shard.saving;
  claims_.push_back({shard.info.id, shard.info.goal});
}

std::string_view Plans::state(const Shard& shard) const {
  const auto now = net::fleet_clock();
  const auto& info = shard.info;
  if (shard.session == nullptr) {
    if (!info.registered()) return "new";
    return now - std::max(info.last_seen, plan_settings_.patience.since) >= settings_.assume_dead_after
               ? "dead"
               : "offline";
  }
  if (now - info.last_seen >= settings_.request_reboot_after) return "silent";
  if (!info.goal.bound()) return plan_settings_.drained.contains(info.host) ? "drained" : "spare";
  if (shard.refused != 0) return "refused";
  if (shard.parked()) return "parked";
  if (shard.status && shard.status->bot && shard.status->bot->crash_loop) return "crashing";
  if (shard.queued()) return "queued";
  if (!info.runs_goal()) return "starting";
  const auto standing = shard.gateway.standing();
  if (standing != fleet::Gateway::unknown && standing != fleet::Gateway::running) return to_string(standing);
  return shard.ready ? "running" : "logging in";
}

void Plans::replan(Millis delay) {
  if (stopped_ || std::exchange(plan_due_, true)) return;
  plan_timer_.expires_after(delay);
  plan_timer_.async_wait([this](boost::system::error_code error) {
    plan_due_ = false;
    if (!error) run_plan();
  });
}

/// Checks for silent shards periodically, at a twentieth of the shortest timeout.
void Plans::arm_tick() {
  const auto pause = std::clamp<Millis>(settings_.request_reboot_after / 20, Millis{100}, Millis{5'000});
  tick_timer_.expires_after(pause);
  tick_timer_.async_wait([this](boost::system::error_code error) {
    if (error || stopped_) return;
    replan();
    arm_tick();
  });
}

void Plans::run_plan() {
  auto plan = orders_.plan(net::fleet_clock(), kShardsInOneTurn);
  for (const auto& change : plan.changes) directory_.list(*directory_.find(change.shard));
  if (!claims_.empty()) {
    tasks_.spawn("save who holds shards", save_then_tell(std::exchange(claims_, {}), false));
  }
  if (!plan.changes.empty()) {
    tasks_.spawn("save and tell assignments", save_then_tell(std::move(plan.changes), true));
  }
  if (!plan.unwell.empty() || !plan.reboots.empty()) tasks_.spawn("log a plan", say(std::move(plan)));
  if (plan_settings_.rebalance && !settings_.rebalance && orders_.planner().is_even()) {
    spdlog::info("the hosts are even");
    plan_settings_.rebalance = false;
    orders_.set(plan_settings_);
  }
  if (plan.generate && !generating_ && generate) tasks_.spawn("generate a config", generate_one());
  sender_.deliver_later();
  news_.plan_changed();
  if (plan.more) replan(Millis{0});
}

net::Task<> Plans::generate_one() {
  {
    const auto busy = generating_.begin();
    co_await generate();
  }
  replan();
}

net::Task<> Plans::say(fleet::Plan plan) {
  for (const auto& [name, gateway, since] : plan.unwell) {
    const auto* const shard = directory_.find(name);
    if (shard == nullptr) continue;
    const auto& goal = shard->info.goal;
    events_.record(about(*shard, fleet::EventKind::unwell,
                         "shard " + name.str() + " (id " + fleet::ids_text(goal) + ") has been " +
                             std::string(to_string(gateway)) + " for " + format_duration(since) +
                             ": it is told to restart its bot"));
  }
  std::size_t said = 0;
  for (const auto& name : plan.reboots) {
    if (++said % kShardsInOneTurn == 0) co_await asio::post(context_, net::use_task);
    const auto* const shard = directory_.find(name);
    if (shard == nullptr) continue;
    const auto& goal = shard->info.goal;
    events_.record(about(*shard, fleet::EventKind::silent,
                         "shard " + name.str() + " (id " + fleet::ids_text(goal) +
                             ") has given no sign of life for " +
                             format_duration(settings_.request_reboot_after) + ": it is told to reboot"));
  }
}

net::Task<> Plans::save_then_tell(std::vector<fleet::Change> changes, bool aloud) {
  for (std::size_t at = 0; at < changes.size() && !stopped_; at += kShardsInOneTurn) {
    const std::span some(changes.data() + at, std::min(kShardsInOneTurn, changes.size() - at));
    if (aloud) say(some);
    while (!stopped_) {
      std::vector<fleet::ShardInfo> infos;
      for (const auto& change : some) {
        if (const auto* shard = directory_.find(change.shard)) infos.push_back(shard->info);
      }
      const auto saved = co_await store_.save(infos);
      if (saved) break;
      net::Timer pause(context_.get_executor(), kRetrySave);
      boost::system::error_code ignored;
      co_await pause.async_wait(asio::redirect_error(net::use_task, ignored));
    }
    if (stopped_) co_return;
    orders_.saved(some, net::fleet_clock());
    sender_.deliver_later();
  }
  replan();  // other changes may depend on these
}

void Plans::say(std::span<const fleet::Change> changes) {
  for (const auto& change : changes) {
    const auto* const shard = directory_.find(change.shard);
    if (shard == nullptr) continue;
    const auto& runs = shard->info.current;
    const bool silent = shard->silent(plan_settings_.patience, net::fleet_clock()) >=
                        plan_settings_.patience.expect_reboot_after;
    if (!change.assignment.bound() && shard->connected() && silent) {
      events_.record(about(
          *shard, fleet::EventKind::held,
          "shard " + change.shard.str() + " is connected and has given no sign of life for " +
              format_duration(plan_settings_.patience.expect_reboot_after) +
              ": it is told to stop its bot; until it says that it has, or its connection has ended for a "
              "while, its id goes to nobody, so that it does not run twice; end that program if it hangs"));
    }
    events_.record(about(*shard, fleet::EventKind::assigned,
                         "shard " + change.shard.str() + " gets id " + fleet::ids_text(change.assignment) +
                             " of " + std::to_string(change.assignment.count.value) + ", runs " +
                             fleet::ids_text(runs) + " of " + std::to_string(runs.count.value)));
  }
}

}  // namespace smaster::server
