// Sends the orders of fleet/orders.hpp to shards, when the login rules and the login budget allow it.
#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <string>

#include "fleet/orders.hpp"
#include "net/asio.hpp"
#include "net/task_scope.hpp"
#include "server/persistence/row_writer.hpp"
#include "server/shards/directory.hpp"
#include "settings/settings.hpp"

namespace smaster::server {

class OrderSender {
 public:
  OrderSender(net::asio::io_context& context, const Settings& settings, Directory& directory, RowWriter& rows,
              StoreThread& store, fleet::Orders& orders, net::TaskScope& tasks);

  /// Sends the shard its `update`, if it is connected.
  void send_update(Shard& shard);
  /// Tells the shard to restart its bot when it may log in; a disconnected shard is told when it returns. A
  /// parked bot is tried again.
  void respawn(Shard& shard);
  /// Without login limits: tells the shard to restart its bot after `delay`.
  void respawn_after(Shard& shard, Millis delay);
  /// Stops the shard's bot, which starts again once it has stopped and may log in.
  void reboot(Shard& shard);
  /// Tells the shard's own program to exit.
  void exit(Shard& shard);
  /// The same without waiting for other orders, for a shard that is being revoked.
  void exit_now(const ShardName& name);
  /// An agent requests to restart a bot that died; the ack is sent when it may.
  void may_start(Shard& shard, socketio::AckId ack_id);
  /// A bot requests the IDENTIFY of `id`; `permit` is sent when it may. False: `id` is not assigned to this
  /// shard.
  [[nodiscard]] bool ask_login(Shard& shard, ShardId id, std::uint64_t ask);
  /// A bot reports a login event, which happened `ago` before now.
  void login(Shard& shard, fleet::LoginNews news, Millis ago);

  /// The queue of logins, and Discord's limits.
  [[nodiscard]] const fleet::IdentifyQueue& identify() const { return orders_.identify(); }
  /// The time until which the shard's bot is parked because it fails repeatedly; nullopt: not parked.
  [[nodiscard]] std::optional<Time> parked_until(const Shard& shard) const;
  /// Restores the login budget from the store.
  void resume_budget(const fleet::IdentifyLimits& limits);

  /// Builds the `config` of updates from the settings; returns true if it has changed.
  bool refresh_config();
  /// Sends every shard its goal again, in several turns of the loop.
  net::Task<> tell_all_anew();
  /// Sends the orders that are ready, in a later turn together with all orders made until then.
  void deliver_later();
  /// Sends the orders that are ready, and nothing after that.
  void finish();

  /// Set by the wiring: called while Discord's limits may have changed or `remaining` may be inaccurate
  /// (IdentifyQueue::drifted), so that Discord must be asked.
  std::function<void()> logins_drifted;

 private:
  void deliver();
  void send_orders();
  void send(const fleet::Order& order);
  [[nodiscard]] bool budget_kept();
  net::Task<> keep_budget();
  void arm_timer();
  [[nodiscard]] std::string update_text(const Shard& shard, ShardId id,
                                        const fleet::Assignment& assignment) const;

  net::asio::io_context& context_;
  const Settings& settings_;
  Directory& directory_;
  RowWriter& rows_;
  StoreThread& store_;
  fleet::Orders& orders_;
  net::TaskScope& tasks_;
  net::Timer timer_;
  std::string config_text_;  ///< the `config` of every update, as JSON
  /// The login budget as persisted: reserved in batches, so it may run ahead of real logins.
  std::optional<fleet::IdentifyLimits> budget_;
  net::Busy keeping_budget_;
  bool waits_for_budget_ = false;
  bool delivery_due_ = false;
  bool said_slowed_ = false;
  std::deque<fleet::Order> outbox_;  ///< orders to be sent in later turns of the loop
  bool sending_ = false;
  bool finished_ = false;
};

}  // namespace smaster::server
