#include "server/planning/heartbeats.hpp"

#include "net/clock.hpp"

namespace smaster::server {
namespace {

constexpr std::size_t kAskedAtOnce = 200;  ///< in one turn of the loop

}  // namespace

void Heartbeats::join(const ShardName& name) {
  ring_.join(name);
  arm();
}

void Heartbeats::stop() {
  stopped_ = true;
  timer_.cancel();
}

void Heartbeats::arm() {
  timer_.cancel();
  if (stopped_ || settings_.update_style != UpdateStyle::pull) return;
  const auto now = net::now();
  const auto next = ring_.next(now, settings_.interval, settings_.disperse);
  if (!next) return;
  timer_.expires_at(*next);
  timer_.async_wait([this](boost::system::error_code error) {
    if (!error) send();
  });
}

void Heartbeats::send() {
  const auto now = net::now();
  for (const auto& name : ring_.due(now, settings_.interval, settings_.disperse, kAskedAtOnce)) {
    if (auto* const shard = directory_.find(name)) sender_.send_update(*shard);
  }
  arm();
}

}  // namespace smaster::server
