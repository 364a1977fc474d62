#include "server/planning/goal.hpp"

#include <spdlog/spdlog.h>

#include <utility>

namespace smaster::server {
namespace {

std::string setting_text(const Settings& settings) {
  return settings.count_auto ? "auto" : std::to_string(settings.count.value);
}

}  // namespace

void Goal::set(Target target) {
  target_ = std::move(target);
  directory_.set_goal(target_.count);
}

void Goal::rebalance() { set_plan_settings(true); }

void Goal::set_plan_settings(bool rebalance) {
  auto s = plans_.plan_settings();
  s.goal = target_.count;
  s.strategy = target_.strategy;
  s.auto_generate = settings_.auto_generate;
  s.max_down = settings_.reshard_max_down;
  s.login_patience = settings_.login_patience;
  s.gateway_patience = settings_.gateway_patience;
  s.drained = drained_;
  s.rebalance = s.rebalance || settings_.rebalance || rebalance;
  s.patience.request_reboot_after = settings_.request_reboot_after;
  s.patience.expect_reboot_after = settings_.expect_reboot_after;
  s.patience.assume_dead_after = settings_.assume_dead_after;
  plans_.set(s);
}

fleet::Strategy Goal::strategy_for(ShardCount count) const {
  if (settings_.reshard_strategy) return *settings_.reshard_strategy;
  return plans_.progress().spares >= count.value ? fleet::Strategy::blue_green : fleet::Strategy::rolling;
}

Target Goal::ask_for(ShardCount count, std::optional<fleet::Strategy> strategy) const {
  return {count, strategy.value_or(strategy_for(count)), setting_text(settings_), true};
}

net::Task<Result<void>> Goal::retarget(Target target) {
  auto saved = co_await save(target);
  if (!saved) co_return saved;
  set(std::move(target));
  set_plan_settings();
  co_return saved;
}

net::Task<Result<void>> Goal::drain(std::string host, bool whether) {
  const bool changes = whether ? drained_.insert(host).second : drained_.erase(host) > 0;
  if (!changes) co_return Result<void>();
  // Another such request may come meanwhile: each saves what has been asked for until then.
  auto saved = co_await store_.save_note(kDrainedNote, to_text(drained_));
  if (saved) {
    set_plan_settings();
    co_return saved;
  }
  whether ? (void)drained_.erase(host) : (void)drained_.insert(host);
  co_return fail(saved.error().kind, saved.error().message + ": host " + host + " stays as it is");
}

/// An operator's target is valid until the setting [shards] count changes.
void Goal::follow_settings() {
  const auto setting = setting_text(settings_);
  const bool overruled = target_.by_operator && target_.setting == setting;
  const auto wanted = settings_.count_auto ? recommended_ : settings_.count;
  // The recommendation from before the last restart is valid until Discord answers.
  const bool unknown = !wanted.known() && target_.setting == setting;
  if (!overruled && !unknown && wanted != target_.count) {
    const bool first = !target_.count.known() || !wanted.known();
    Target target{wanted, first ? fleet::Strategy::at_once : strategy_for(wanted), setting, false};
    if (!first) {
      events_.record({fleet::EventKind::goal, "the goal goes from " + std::to_string(target_.count.value) +
                                                  " to " + std::to_string(wanted.value) + " shards, " +
                                                  std::string(fleet::to_string(target.strategy))});
    }
    set(std::move(target));
    tasks_.spawn("save the goal", save_target(target_));
  }
  set_plan_settings();
}

void Goal::discord_says(ShardCount recommended, const fleet::IdentifyLimits& limits) {
  recommended_ = recommended;
  const bool first = !orders_.identify().limits_known();
  orders_.limit(limits);
  if (first)
    tasks_.spawn("tell all anew",
                 sender_.tell_all_anew());  // from now on agents ask before they restart a bot
  sender_.deliver_later();
  follow_settings();
}

net::Task<Result<void>> Goal::save(Target target) {
  auto text = to_text(target);
  auto saved = co_await store_.save_note(kTargetNote, std::move(text));
  if (!saved) spdlog::error("{}: the goal would be forgotten with a restart", saved.error().message);
  co_return saved;
}

net::Task<> Goal::save_target(Target target) { (void)co_await save(std::move(target)); }

}  // namespace smaster::server
