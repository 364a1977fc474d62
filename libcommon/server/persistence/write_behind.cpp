#include "server/persistence/write_behind.hpp"

#include <utility>

#include "log/log.hpp"
#include "net/clock.hpp"

namespace smaster::server {
namespace {

/// Statuses are persisted after at most this time and the write itself; at most three seconds may be lost.
constexpr std::chrono::seconds kFlushInterval{1};

}  // namespace

void WriteBehind::stop() {
  stopped_ = true;
  timer_.cancel();
}

void WriteBehind::arm() {
  if (stopped_) return;
  timer_.expires_after(kFlushInterval);
  timer_.async_wait([this](boost::system::error_code error) {
    if (error) return;
    tasks_.spawn("flush", flush_and_go_on(), [this] { arm(); });
  });
}

net::Task<> WriteBehind::flush_and_go_on() {
  co_await flush();
  arm();
}

net::Task<> WriteBehind::flush() {
  log::say_held_back(net::now());
  auto blocks = co_await history_.take_unsaved();
  auto written = co_await rows_.flush();
  co_await history_.save(std::move(blocks), std::move(written));
}

}  // namespace smaster::server
