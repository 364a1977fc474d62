// Asks connected shards for their statuses, one after the other ([heartbeat] update_style "pull").
#pragma once

#include "fleet/heartbeats.hpp"
#include "net/asio.hpp"
#include "server/planning/order_sender.hpp"
#include "server/shards/directory.hpp"
#include "settings/settings.hpp"

namespace smaster::server {

class Heartbeats {
 public:
  Heartbeats(net::asio::io_context& context, const Settings& settings, Directory& directory,
             OrderSender& sender)
      : settings_(settings), directory_(directory), sender_(sender), timer_(context.get_executor()) {}

  /// Adds a connected shard to those asked, or removes it.
  void join(const ShardName& name);
  void leave(const ShardName& name) { ring_.leave(name); }
  /// Starts the timer, or restarts it after the settings have changed.
  void arm();
  void stop();

 private:
  void send();

  const Settings& settings_;
  Directory& directory_;
  OrderSender& sender_;
  fleet::HeartbeatRing ring_;
  net::Timer timer_;
  bool stopped_ = false;
};

}  // namespace smaster::server
