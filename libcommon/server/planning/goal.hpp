// The target shard count: that of the settings or of Discord, unless an operator has set another. And the
// hosts that operators keep empty.
#pragma once

#include <optional>
#include <set>
#include <string>

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
       OrderSender& sender, Plans& plans, Events& events, net::TaskScope& tasks)
      : settings_(settings),
        directory_(directory),
        store_(store),
        orders_(orders),
        sender_(sender),
        plans_(plans),
        events_(events),
        tasks_(tasks) {}

  /// Restores the target from the store.
  void resume(const Target& target) { set(target); }
  [[nodiscard]] const Target& target() const { return target_; }
  /// The configured strategy; if unset, blue/green if there are enough spares, else rolling.
  [[nodiscard]] fleet::Strategy strategy_for(ShardCount count) const;
  /// The target for an operator's request. `strategy` unset: that of strategy_for.
  [[nodiscard]] Target ask_for(ShardCount count, std::optional<fleet::Strategy> strategy) const;
  /// Saves a new target, then sets it. On an error the old one stays.
  net::Task<Result<void>> retarget(Target target);
  /// The labels of the hosts that are kept empty.
  [[nodiscard]] const std::set<std::string>& drained() const { return drained_; }
  /// Restores them from the store.
  void resume_drained(std::set<std::string> drained) { drained_ = std::move(drained); }
  /// Saves that the host is to be empty, or is not any more, then plans by it. On an error nothing changes.
  net::Task<Result<void>> drain(std::string host, bool whether);
  /// Balances the hosts once.
  void rebalance();
  /// Derives the target from the settings again.
  void follow_settings();
  /// Handles Discord's recommendation and limits.
  void discord_says(ShardCount recommended, const fleet::IdentifyLimits& limits);
  /// The count that Discord recommends; unknown until it is asked.
  [[nodiscard]] ShardCount recommended() const { return recommended_; }

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
  Events& events_;
  net::TaskScope& tasks_;
  Target target_;
  std::set<std::string> drained_;
  ShardCount recommended_;  ///< by Discord; unknown until it is asked
};

}  // namespace smaster::server
