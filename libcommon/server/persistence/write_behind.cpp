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
    parts_.tasks.spawn("flush", flush_and_go_on(), [this] { arm(); });
  });
}

net::Task<> WriteBehind::flush_and_go_on() {
  co_await flush();
  arm();
}

net::Task<> WriteBehind::flush() {
  log::say_held_back(net::now());
  auto blocks = co_await parts_.history.take_unsaved();
  auto written = co_await parts_.rows.flush();
  co_await parts_.history.save(std::move(blocks), written);
  co_await save_events(std::move(written));
}

/// What cannot be written stays for the next flush, and so does all if `before` is an error.
net::Task<> WriteBehind::save_events(Result<void> before) {
  if (!before || parts_.events.unsaved().empty()) co_return;
  auto events = parts_.events.take_unsaved();
  const auto oldest = net::wall_clock() - parts_.settings.events_length;
  const auto saved = co_await parts_.store.save_events(events, oldest, parts_.settings.events_most);
  if (!saved) parts_.events.put_back(std::move(events));
}

}  // namespace smaster::server
