#include "agent/boots.hpp"

#include <algorithm>
#include <thread>

#include "net/clock.hpp"

namespace smaster::agent {

Boots::Boots(net::asio::io_context& context)
    : gate_(std::max(2U, std::thread::hardware_concurrency())), timer_(context.get_executor()) {}

bool Boots::enter(BootOwner& bot, ShardId first) {
  const bool now = gate_.enter(bot, first, net::now());
  if (!now) arm();
  return now;
}

void Boots::leave(BootOwner& bot) {
  gate_.leave(bot);
  arm();
}

void Boots::arm() {
  const auto deadline = gate_.deadline();
  if (!deadline) return;
  timer_.expires_at(*deadline);
  timer_.async_wait([this](boost::system::error_code error) {
    if (error) return;
    for (auto* const bot : gate_.admit(net::now())) bot->may_boot();
    arm();
  });
}

}  // namespace smaster::agent
