// The gate of a host's booting bots, with its timer.
#pragma once

#include "agent/boot_gate.hpp"
#include "net/asio.hpp"

namespace smaster::agent {

class Boots {
 public:
  explicit Boots(net::asio::io_context& context);

  void close() { gate_.close(); }
  [[nodiscard]] bool enter(BootOwner& bot, ShardId first);
  void leave(BootOwner& bot);

 private:
  void arm();

  BootGate gate_;
  net::Timer timer_;
};

}  // namespace smaster::agent
