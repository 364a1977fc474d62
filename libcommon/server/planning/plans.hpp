// Runs the planner: when something changed, and now and then. What a plan changes is saved before it is told.
#pragma once

#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "fleet/orders.hpp"
#include "net/asio.hpp"
#include "net/task_scope.hpp"
#include "server/persistence/store_thread.hpp"
#include "server/planning/order_sender.hpp"
#include "server/shards/directory.hpp"
#include "settings/settings.hpp"

namespace smaster::server {

class Plans {
 public:
  Plans(net::asio::io_context& context, const Settings& settings, Directory& directory, StoreThread& store,
        fleet::Orders& orders, OrderSender& sender, net::TaskScope& tasks);

  /// This server commands from now on: nobody's silence counts from before.
  void take_over();
  /// Begins to look for silence.
  void watch() { arm_tick(); }
  void stop();

  /// Changes that come together are planned together.
  static constexpr Millis kPlanDelay{5};
  /// Something changed that the planner must know of.
  void replan(Millis delay = kPlanDelay);

  [[nodiscard]] const fleet::PlanSettings& plan_settings() const { return plan_settings_; }
  void set(const fleet::PlanSettings& settings);
  [[nodiscard]] bool rebalancing() const { return plan_settings_.rebalance; }
  [[nodiscard]] fleet::Progress progress() const { return orders_.planner().progress(); }
  /// What a shard is doing, in one word.
  [[nodiscard]] std::string_view state(const Shard& shard) const;
  /// The shard has another agent than before: saved before it is told anything.
  void claimed(Shard& shard);

  /// Set by the wiring: makes a shard that the fleet lacks; called for one at a time.
  std::function<net::Task<>(fleet::Generate)> generate;

 private:
  void arm_tick();
  void run_plan();
  net::Task<> generate_one(fleet::Generate what);
  net::Task<> say(fleet::Plan plan);
  void say(std::span<const fleet::Change> changes);
  /// `aloud`: the log has a line for each.
  net::Task<> save_then_tell(std::vector<fleet::Change> changes, bool aloud);

  net::asio::io_context& context_;
  const Settings& settings_;
  Directory& directory_;
  StoreThread& store_;
  fleet::Orders& orders_;
  OrderSender& sender_;
  net::TaskScope& tasks_;
  fleet::PlanSettings plan_settings_;
  net::Timer plan_timer_;
  net::Timer tick_timer_;
  bool plan_due_ = false;
  net::Busy generating_;
  /// Shards that have other agents than before; to be saved before they are told anything.
  std::vector<fleet::Change> claims_;
  bool stopped_ = false;
};

}  // namespace smaster::server
