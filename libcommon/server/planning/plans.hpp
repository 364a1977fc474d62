// Runs the planner, after changes and periodically. A plan's changes are persisted before shards are told.
#pragma once

#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "fleet/orders.hpp"
#include "net/asio.hpp"
#include "net/task_scope.hpp"
#include "server/events/events.hpp"
#include "server/persistence/store_thread.hpp"
#include "server/planning/order_sender.hpp"
#include "server/shards/directory.hpp"
#include "server/shards/fleet_news.hpp"
#include "settings/settings.hpp"

namespace smaster::server {

class Plans {
 public:
  Plans(net::asio::io_context& context, const Settings& settings, Directory& directory, StoreThread& store,
        fleet::Orders& orders, OrderSender& sender, FleetNews& news, Events& events, net::TaskScope& tasks);

  /// This server commands from now on: silence is counted from now.
  void take_over();
  /// Starts the periodic check for silent shards.
  void watch() { arm_tick(); }
  void stop();

  /// Delay of a plan after a change, so that changes close together are planned together.
  static constexpr Millis kPlanDelay{5};
  /// Plans after `delay`, unless a plan is due already.
  void replan(Millis delay = kPlanDelay);

  [[nodiscard]] const fleet::PlanSettings& plan_settings() const { return plan_settings_; }
  void set(const fleet::PlanSettings& settings);
  [[nodiscard]] bool rebalancing() const { return plan_settings_.rebalance; }
  [[nodiscard]] fleet::Progress progress() const { return orders_.planner().progress(); }
  [[nodiscard]] fleet::Draining draining(const std::string& host) const {
    return orders_.planner().draining(host);
  }
  /// A shard's state, as `smaster stats` shows it.
  [[nodiscard]] std::string_view state(const Shard& shard) const;
  /// The shard has a new agent: persisted before the shard is told anything.
  void claimed(Shard& shard);

  /// Set by the wiring: creates a shard that the fleet lacks. Not called again before it returns.
  std::function<net::Task<>()> generate;

 private:
  void arm_tick();
  void run_plan();
  net::Task<> generate_one();
  net::Task<> say(fleet::Plan plan);
  void say(std::span<const fleet::Change> changes);
  /// `aloud`: logs each change.
  net::Task<> save_then_tell(std::vector<fleet::Change> changes, bool aloud);

  net::asio::io_context& context_;
  const Settings& settings_;
  Directory& directory_;
  StoreThread& store_;
  fleet::Orders& orders_;
  OrderSender& sender_;
  FleetNews& news_;
  Events& events_;
  net::TaskScope& tasks_;
  fleet::PlanSettings plan_settings_;
  net::Timer plan_timer_;
  net::Timer tick_timer_;
  bool plan_due_ = false;
  net::Busy generating_;
  /// Shards with a new agent, to be persisted before they are told anything.
  std::vector<fleet::Change> claims_;
  bool stopped_ = false;
};

}  // namespace smaster::server
