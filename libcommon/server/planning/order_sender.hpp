// Sends shards what they are told: the orders of fleet/orders.hpp, when the rules and the login budget let
// them go.
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

  /// Sends the shard its `update` now, if it can hear it.
  void send_update(Shard& shard);
  /// Tells a connected shard to restart its bot, when it is its turn to log in. One that is parked is let
  /// go.
  void respawn(Shard& shard);
  /// Where no logins are limited: tells it to restart its bot after this delay.
  void respawn_after(Shard& shard, Millis delay);
  /// Stops its bot, which starts again when it has stopped and it is its turn to log in.
  void reboot(Shard& shard);
  /// Ends the shard's own program.
  void exit(Shard& shard);
  /// The same at once, of one that is revoked.
  void exit_now(const ShardName& name);
  /// Its agent asks when it may restart a bot that died; the ack is the answer.
  void may_start(Shard& shard, socketio::AckId ack_id);
  /// Its bot asks to send the IDENTIFY of `id`: a `permit` follows when it may. False: it never may.
  [[nodiscard]] bool ask_login(Shard& shard, ShardId id, std::uint64_t ask);
  /// Its bot says what became of a login; an IDENTIFY was sent `ago`.
  void login(Shard& shard, fleet::LoginNews news, Millis ago);

  /// Who waits to log in, and what Discord allows.
  [[nodiscard]] const fleet::IdentifyQueue& identify() const { return orders_.identify(); }
  /// Until when its bot is parked, since it fails again and again.
  [[nodiscard]] std::optional<Time> parked_until(const Shard& shard) const;
  /// The login budget as the store has it.
  void resume_budget(const fleet::IdentifyLimits& limits);

  /// What goes with every update is made from the settings; true: it is another one than before.
  bool refresh_config();
  /// Tells every shard its goal again, in turns.
  net::Task<> tell_all_anew();
  /// Sends what may go now; or in a turn of its own, with all that comes until then.
  void deliver();
  void deliver_later();
  /// Sends what is ready, and nothing more from now on.
  void finish();

  /// Set by the wiring: somebody logged in without asking, so that Discord must say how many logins are left.
  std::function<void()> logins_drifted;

 private:
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
  bool delivery_due_ = false;
  std::deque<fleet::Order> outbox_;  ///< orders that are sent as turns allow
  bool sending_ = false;
  bool finished_ = false;
};

}  // namespace smaster::server
