// The fleet's plans: made when something changed, saved, told; and who may log in when.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <iterator>
#include <limits>
#include <utility>

#include "base/text.hpp"
#include "json/json.hpp"
#include "log/log.hpp"
#include "net/clock.hpp"
#include "server/fleet.hpp"
#include "server/shard_session.hpp"

namespace smaster::server {
namespace {

namespace asio = net::asio;

constexpr std::chrono::seconds kRetrySave{1};
/// Shards that are planned for, changed, saved and spoken of in one turn of the loop.
constexpr std::size_t kShardsInOneTurn = 200;
/// How long orders are sent in one turn of the loop.
constexpr Millis kSending{2};
/// So many logins are counted in the store before they are made: of who takes over they are lost at most.
constexpr std::int64_t kLoginsAhead = 20;
constexpr ShardId kExit{-2};  // WIRE.md, `update`: the shard program itself exits

std::string setting_text(const Settings& settings) {
  return settings.count_auto ? "auto" : std::to_string(settings.count.value);
}

}  // namespace

std::string to_text(const Target& target) {
  return json::serialize(boost::json::object{{"count", target.count.value},
                                             {"strategy", fleet::to_string(target.strategy)},
                                             {"setting", target.setting},
                                             {"operator", target.by_operator}});
}

std::optional<Target> parse_target(const std::string& text) {
  const auto value = json::parse(text);
  if (!value || !value->is_object()) return std::nullopt;
  Target target;
  std::string strategy;
  json::read(value->get_object(), "count", target.count);
  json::read(value->get_object(), "strategy", strategy);
  json::read(value->get_object(), "setting", target.setting);
  json::read(value->get_object(), "operator", target.by_operator);
  target.strategy = fleet::parse_strategy(strategy).value_or(fleet::Strategy::rolling);
  return target.count.known() ? std::optional(target) : std::nullopt;
}

std::string to_text(const fleet::IdentifyLimits& limits) {
  boost::json::object object{{"maxConcurrency", limits.max_concurrency},
                             {"resetAt", to_unix_ms(limits.reset_at)},
                             {"total", limits.total},
                             {"reserve", limits.reserve}};
  if (limits.remaining) object["remaining"] = *limits.remaining;
  return json::serialize(object);
}

std::optional<fleet::IdentifyLimits> parse_limits(const std::string& text) {
  const auto value = json::parse(text);
  if (!value || !value->is_object()) return std::nullopt;
  const auto& object = value->get_object();
  fleet::IdentifyLimits limits;
  std::int64_t concurrency = 0;
  json::read(object, "maxConcurrency", concurrency);
  json::read(object, "resetAt", limits.reset_at);
  json::read(object, "total", limits.total);
  json::read(object, "reserve", limits.reserve);
  if (object.contains("remaining")) json::read(object, "remaining", limits.remaining.emplace(0));
  if (concurrency < 1 || concurrency > std::numeric_limits<std::int32_t>::max()) return std::nullopt;
  limits.max_concurrency = static_cast<std::int32_t>(concurrency);
  return limits;
}

// ---- the goal ----

fleet::Strategy Fleet::strategy_for(ShardCount count) const {
  if (settings_.reshard_strategy) return *settings_.reshard_strategy;
  return progress().spares >= count.value ? fleet::Strategy::blue_green : fleet::Strategy::rolling;
}

/// The goal is what the settings or Discord say, unless an operator said otherwise since they were changed.
void Fleet::follow_settings() {
  const auto setting = setting_text(settings_);
  const bool overruled = target_.by_operator && target_.setting == setting;
  const auto wanted = settings_.count_auto ? recommended_ : settings_.count;
  // What Discord said before the last restart holds until it says something.
  const bool unknown = !wanted.known() && target_.setting == setting;
  if (!overruled && !unknown && wanted != target_.count) {
    const bool first = !target_.count.known() || !wanted.known();
    Target target{wanted, first ? fleet::Strategy::at_once : strategy_for(wanted), setting, false};
    if (!first) {
      spdlog::info("the goal goes from {} to {} shards, {}", target_.count.value, wanted.value,
                   fleet::to_string(target.strategy));
    }
    target_ = std::move(target);
    tasks_.spawn("save the goal", save_target(target_));
  }
  set_plan_settings();
}

net::Task<Result<void>> Fleet::save(Target target) {
  const auto text = to_text(target);
  auto saved = co_await in_store([this, &text] { return store_.save_note(kTargetNote, text); });
  if (!saved) spdlog::error("{}: the goal would be forgotten with a restart", saved.error().message);
  co_return saved;
}

net::Task<> Fleet::save_target(Target target) { (void)co_await save(std::move(target)); }

net::Task<Result<void>> Fleet::retarget(Target target) {
  auto saved = co_await save(target);
  if (!saved) co_return saved;
  target_ = std::move(target);
  set_plan_settings();
  co_return saved;
}

Target Fleet::ask_for(ShardCount count, std::optional<fleet::Strategy> strategy) const {
  return {count, strategy.value_or(strategy_for(count)), setting_text(settings_), true};
}

void Fleet::set_plan_settings() {
  auto& s = plan_settings_;
  s.goal = target_.count;
  s.strategy = target_.strategy;
  s.auto_generate = settings_.auto_generate;
  s.max_down = settings_.reshard_max_down;
  s.login_patience = settings_.login_patience;
  s.gateway_patience = settings_.gateway_patience;
  s.rebalance = s.rebalance || settings_.rebalance;
  s.patience.request_reboot_after = settings_.request_reboot_after;
  s.patience.expect_reboot_after = settings_.expect_reboot_after;
  s.patience.assume_dead_after = settings_.assume_dead_after;
  dispatch_.set(s);
  replan();
}

void Fleet::rebalance() {
  plan_settings_.rebalance = true;
  set_plan_settings();
}

void Fleet::settings_changed() {
  if (update_config_text()) tasks_.spawn("tell all anew", tell_all_anew());
  follow_settings();
  arm_heartbeats();
}

net::Task<> Fleet::tell_all_anew() {
  std::size_t told = 0;
  for (auto at = shards_.begin(); at != shards_.end();) {
    dispatch_.tell_anew(at->second, net::fleet_clock());
    if (++told % kShardsInOneTurn != 0) {
      ++at;
      continue;
    }
    deliver_later();
    const auto name = at->first;
    co_await asio::post(context_, net::use_task);
    at = shards_.upper_bound(name);
  }
  deliver_later();
}

void Fleet::discord_says(ShardCount recommended, const fleet::IdentifyLimits& limits) {
  recommended_ = recommended;
  const bool first = !identify().limits();
  dispatch_.limit(limits);
  if (first)
    tasks_.spawn("tell all anew", tell_all_anew());  // from now on agents ask before they restart a bot
  deliver_later();
  follow_settings();
}

// ---- plans ----

void Fleet::replan(Millis delay) {
  if (finished_ || std::exchange(plan_due_, true)) return;
  plan_timer_.expires_after(delay);
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
  auto plan = dispatch_.plan(net::fleet_clock(), kShardsInOneTurn);
  for (const auto& assignment : plan.assignments) list(*find(assignment.shard));
  if (!claims_.empty()) {
    tasks_.spawn("save who holds shards", save_then_tell(std::exchange(claims_, {}), false));
  }
  if (!plan.assignments.empty()) {
    tasks_.spawn("save and tell assignments", save_then_tell(std::move(plan.assignments), true));
  }
  if (!plan.unwell.empty() || !plan.reboots.empty()) tasks_.spawn("log a plan", say(std::move(plan)));
  if (plan_settings_.rebalance && !settings_.rebalance && dispatch_.planner().is_even()) {
    spdlog::info("the hosts are even");
    plan_settings_.rebalance = false;
    dispatch_.set(plan_settings_);
  }
  if (plan.generate != fleet::Generate::nothing && !generating_ && generate) {
    tasks_.spawn("generate a config", generate_one(plan.generate));
  }
  deliver_later();
  if (plan.more) replan(Millis{0});
}

net::Task<> Fleet::generate_one(fleet::Generate what) {
  {
    const auto busy = generating_.begin();
    co_await generate(what);
  }
  replan();
}

net::Task<> Fleet::say(fleet::Plan plan) {
  for (const auto& [name, gateway, since] : plan.unwell) {
    const auto* const shard = find(name);
    if (shard == nullptr) continue;
    const auto& goal_role = shard->info.goal;
    log::shard(spdlog::level::warn, {"unwell", name.str(), goal_role.first(), {}},
               "shard " + name.str() + " (id " + fleet::ids_text(goal_role) + ") has been " +
                   std::string(to_string(gateway)) + " for " + format_duration(since) +
                   ": it is told to restart its bot");
  }
  std::size_t said = 0;
  for (const auto& name : plan.reboots) {
    if (++said % kShardsInOneTurn == 0) co_await asio::post(context_, net::use_task);
    const auto* const shard = find(name);
    if (shard == nullptr) continue;
    const auto& goal_role = shard->info.goal;
    log::shard(spdlog::level::warn, {"silent", name.str(), goal_role.first(), {}},
               "shard " + name.str() + " (id " + fleet::ids_text(goal_role) +
                   ") has given no sign of life for " + format_duration(settings_.request_reboot_after) +
                   ": it is told to reboot");
  }
}

void Fleet::say_refused(const Shard& shard) {
  const auto id = std::to_string(shard.info.goal.first().value);
  const auto text = "Discord refuses the bot of shard " + shard.info.id.str() + " (id " + id +
                    ") with code " + std::to_string(shard.refused) + ": " +
                    std::string(fleet::refusal_words(shard.refused)) +
                    ". It is stopped and not tried again by itself; then \"smaster respawn --shard " + id +
                    "\" lets it try";
  spdlog::error("{}", text);
  if (alert) alert(text);
}

void Fleet::say(const fleet::Parked& parked) {
  const auto* const shard = find(parked.shard);
  if (shard == nullptr) return;
  const auto& role = shard->info.goal;
  const auto text = "the bot of shard " + parked.shard.str() + " (id " + fleet::ids_text(role) +
                    ") fails again and again" +
                    (shard->status && shard->status->bot ? ", at last with " + shard->status->bot->last_exit
                                                         : std::string()) +
                    ": it is parked for " + format_duration(parked.pause) + "; \"smaster respawn --shard " +
                    std::to_string(role.first().value) + "\" lets it try now";
  spdlog::error("{}", text);
  if (alert) alert(text);
}

net::Task<> Fleet::save_then_tell(std::vector<fleet::Assign> assignments, bool aloud) {
  for (std::size_t at = 0; at < assignments.size() && !finished_; at += kShardsInOneTurn) {
    const std::span some(assignments.data() + at, std::min(kShardsInOneTurn, assignments.size() - at));
    if (aloud) say(some);
    while (!finished_) {
      std::vector<fleet::ShardInfo> infos;
      for (const auto& assignment : some) {
        if (const auto* shard = find(assignment.shard)) infos.push_back(shard->info);
      }
      const auto saved = co_await in_store([this, &infos] { return store_.save(infos); });
      if (saved) break;
      net::Timer pause(context_.get_executor(), kRetrySave);
      boost::system::error_code ignored;
      co_await pause.async_wait(asio::redirect_error(net::use_task, ignored));
    }
    if (finished_) co_return;
    dispatch_.saved(some, net::fleet_clock());
    deliver();
  }
  replan();  // others may have waited for these
}

void Fleet::say(std::span<const fleet::Assign> assignments) {
  for (const auto& assignment : assignments) {
    const auto* const shard = find(assignment.shard);
    if (shard == nullptr) continue;
    const auto& runs = shard->info.current;
    log::shard(spdlog::level::info, {"assigned", assignment.shard.str(), assignment.role.first(), {}},
               "shard " + assignment.shard.str() + " gets id " + fleet::ids_text(assignment.role) + " of " +
                   std::to_string(assignment.role.count.value) + ", runs " + fleet::ids_text(runs) + " of " +
                   std::to_string(runs.count.value));
  }
}

// ---- telling ----

void Fleet::send_update(Shard& shard) {
  dispatch_.remind(shard, net::fleet_clock());
  deliver_later();
}

void Fleet::respawn(Shard& shard) {
  dispatch_.respawn(shard, net::fleet_clock());
  deliver_later();
}

void Fleet::respawn_after(Shard& shard, Millis delay) {
  dispatch_.respawn_after(shard, delay);
  deliver_later();
}

void Fleet::reboot(Shard& shard) {
  dispatch_.reboot(shard, net::fleet_clock());
  deliver_later();
}

void Fleet::exit(Shard& shard) {
  dispatch_.exit(shard, net::fleet_clock());
  deliver_later();
}

void Fleet::may_start(Shard& shard, socketio::AckId ack_id) {
  shard.start_asked = ack_id;
  dispatch_.ask_to_start(shard);
  deliver_later();
}

bool Fleet::ask_login(Shard& shard, ShardId id, std::uint64_t ask) {
  if (!dispatch_.ask_login(shard, id, ask, net::fleet_clock())) return false;
  deliver_later();
  return true;
}

void Fleet::login(Shard& shard, fleet::LoginNews news, Millis ago) {
  const auto now = net::fleet_clock();
  news.at = now - ago;
  dispatch_.login(shard, news, now);
  if (identify().drifted() && logins_drifted) logins_drifted();
  deliver_later();
}

std::optional<Time> Fleet::parked_until(const Shard& shard) const {
  return dispatch_.parked_until(shard, net::fleet_clock());
}

/// What comes together goes together: each look goes through all who wait to log in.
void Fleet::deliver_later() {
  if (std::exchange(delivery_due_, true)) return;
  asio::post(context_, [this] {
    delivery_due_ = false;
    deliver();
  });
}

void Fleet::deliver() {
  if (finished_) return;
  dispatch_.tick(net::fleet_clock());
  if (!budget_kept()) return;
  auto orders = dispatch_.take_orders();
  std::move(orders.begin(), orders.end(), std::back_inserter(outbox_));
  send_orders();
  arm_dispatch();
}

/// In turns: thousands of orders are no reason to let others wait.
void Fleet::send_orders() {
  const auto until = net::now() + kSending;
  while (!outbox_.empty() && net::now() < until) {
    const auto order = std::move(outbox_.front());
    outbox_.pop_front();
    deliver(order);
  }
  if (outbox_.empty() || std::exchange(sending_, true)) return;
  asio::post(context_, [this] {
    sending_ = false;
    if (!finished_) send_orders();
  });
}

/// Whether logins that are let go are in the store: who takes over must not make them once more. A server
/// that stands alone need not wait for that.
bool Fleet::budget_kept() {
  const auto& limits = identify().limits();
  if (!limits) return true;
  if (budget_) {
    auto kept = *budget_;
    kept.remaining = limits->remaining;
    if (kept == *limits && limits->remaining.value_or(0) >= budget_->remaining.value_or(0)) return true;
  }
  if (!keeping_budget_) tasks_.spawn("save the login budget", keep_budget());
  return !settings_.store.shared();
}

net::Task<> Fleet::keep_budget() {
  auto busy = std::optional(keeping_budget_.begin());
  auto limits = *identify().limits();
  if (limits.remaining) limits.remaining = std::max<std::int64_t>(*limits.remaining - kLoginsAhead, 0);
  auto text = to_text(limits);
  const auto saved = co_await save_note(kIdentifyNote, std::move(text));
  if (saved) {
    budget_ = limits;
  } else {
    net::Timer pause(context_.get_executor(), kRetrySave);
    boost::system::error_code ignored;
    co_await pause.async_wait(asio::redirect_error(net::use_task, ignored));
  }
  busy.reset();
  deliver();
}

void Fleet::arm_dispatch() {
  const auto now = net::fleet_clock();
  const auto next = dispatch_.next(now);
  if (!next) return;
  dispatch_timer_.expires_after(std::max(*next - now, Millis{1}));
  dispatch_timer_.async_wait([this](boost::system::error_code error) {
    if (!error) deliver();
  });
}

void Fleet::deliver(const fleet::Order& order) {
  auto* const shard = find(order.shard);
  if (shard == nullptr || !shard->connected) return;
  auto& session = *shard->session;
  switch (order.kind) {
    case fleet::Order::Kind::respawn:
      session.emit("respawn", {std::to_string(order.delay.count())});
      break;
    case fleet::Order::Kind::start:
      if (const auto ack_id = std::exchange(shard->start_asked, std::nullopt))
        session.answer(*ack_id, {"null"});
      break;
    case fleet::Order::Kind::update:
      save_soon(*shard);
      session.emit("update", {update_text(*shard, order.role.first(), order.role)});
      break;
    case fleet::Order::Kind::permit:
      session.emit("permit",
                   {R"({"id":)" + std::to_string(order.role.first().value) + R"(,"ask":)" +
                    std::to_string(order.ask) + R"(,"waited":)" + std::to_string(order.delay.count()) + '}'});
      break;
    case fleet::Order::Kind::exit:
      session.emit("update", {update_text(*shard, kExit, {})});
      break;
  }
}

/// WIRE.md's `update`; agents get all ids, and hear whether they are to ask before they start a bot again.
std::string Fleet::update_text(const Shard& shard, ShardId id, const fleet::Role& role) const {
  const bool agent = shard.session->is_agent();
  const auto ids = role.bound() ? fleet::ids_text(role) : "";
  return R"({"id":)" + std::to_string(id.value) + (agent ? R"(,"ids":[)" + ids + ']' : "") + R"(,"count":)" +
         std::to_string(role.count.value) +
         (shard.info.is_master ? R"(,"master":true)" : R"(,"master":false)") +
         (agent && identify().limits() ? R"(,"identify":"ask")" : "") + R"(,"config":)" + config_text_ + '}';
}

}  // namespace smaster::server
