// How many shards there are to be: what the settings or Discord say, unless an operator said otherwise.
#pragma once

#include <optional>

#include "base/result.hpp"
#include "fleet/orders.hpp"
#include "net/asio.hpp"
#include "net/task_scope.hpp"
#include "server/persistence/store_thread.hpp"
#include "server/planning/order_sender.hpp"
#include "server/planning/plans.hpp"
#include "server/planning/target.hpp"
#include "server/shards/directory.hpp"
#include "settings/settings.hpp"

namespace smaster::server {

class Goal {
 public:
  Goal(const Settings& settings, Directory& directory, StoreThread& store, fleet::Orders& orders,
       OrderSender& sender, Plans& plans, net::TaskScope& tasks)
      : settings_(settings),
        directory_(directory),
        store_(store),
        orders_(orders),
        sender_(sender),
        plans_(plans),
        tasks_(tasks) {}

  /// As the store has it.
  void resume(const Target& target) { set(target); }
  [[nodiscard]] const Target& target() const { return target_; }
  /// Blue/green where the spares suffice, else rolling, unless the settings say which.
  [[nodiscard]] fleet::Strategy strategy_for(ShardCount count) const;
  /// The target that an operator asks for; without a strategy, strategy_for's.
  [[nodiscard]] Target ask_for(ShardCount count, std::optional<fleet::Strategy> strategy) const;
  /// Another goal, on disk when it returns ok.
  net::Task<Result<void>> retarget(Target target);
  /// Evens out the hosts, once.
  void rebalance();
  /// The settings may say another one.
  void follow_settings();
  /// What Discord recommends and allows.
  void discord_says(ShardCount recommended, const fleet::IdentifyLimits& limits);

 private:
  void set(Target target);
  void set_plan_settings(bool rebalance = false);
  net::Task<Result<void>> save(Target target);
  net::Task<> save_target(Target target);

  const Settings& settings_;
  Directory& directory_;
  StoreThread& store_;
  fleet::Orders& orders_;
  OrderSender& sender_;
  Plans& plans_;
  net::TaskScope& tasks_;
  Target target_;
  bool limits_known_ = false;  ///< Discord has said them
  ShardCount recommended_;     ///< by Discord; unknown until it is asked
};

}  // namespace smaster::server
