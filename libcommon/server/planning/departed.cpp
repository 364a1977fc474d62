#include "server/planning/departed.hpp"

#include <algorithm>
#include <utility>

#include "base/text.hpp"
#include "net/clock.hpp"
#include "server/shards/shard_event.hpp"

namespace smaster::server {
namespace {

constexpr std::size_t kReportedAtOnce = 100;  ///< in one turn of the loop

}  // namespace

void Departed::add(const Shard& shard, Time since) {
  if (!shard.info.goal.bound()) return;
  gone_.push_back({shard.info.id, since, fleet::ids_text(shard.info.goal)});
}

void Departed::left(const Shard& shard) {
  add(shard, net::fleet_clock());
  arm();
}

void Departed::take_over() {
  const auto now = net::fleet_clock();
  for (const auto& [name, shard] : directory_.shards()) {
    if (!shard.connected() && shard.info.registered()) add(shard, now);
  }
  arm();
}

void Departed::stop() {
  stopped_ = true;
  timer_.cancel();
}

void Departed::arm() {
  if (stopped_ || armed_ || gone_.empty()) return;
  armed_ = true;
  const auto left = gone_.front().since + settings_.assume_dead_after - net::fleet_clock();
  timer_.expires_after(std::max(left, Millis{0}));
  timer_.async_wait([this](boost::system::error_code error) {
    armed_ = false;
    if (!error) report();
  });
}

void Departed::report() {
  const auto now = net::fleet_clock();
  for (std::size_t n = 0; n < kReportedAtOnce && !gone_.empty(); ++n) {
    if (gone_.front().since + settings_.assume_dead_after > now) break;
    const auto gone = std::move(gone_.front());
    gone_.pop_front();
    const auto* const shard = directory_.find(gone.name);
    // Those that came back and left again since are in the queue once more.
    if (shard == nullptr || shard->session != nullptr || shard->info.last_seen > gone.since) continue;
    auto event = about(*shard, fleet::EventKind::dead,
                       "shard " + gone.name.str() + " (id " + gone.ids + ") has been gone for " +
                           format_duration(settings_.assume_dead_after) + ": it is dead; look at its agent" +
                           (shard->info.host.empty() ? "" : " on host " + shard->info.host) +
                           "; a shard without an id, if there is one, gets its id");
    event.ids = gone.ids;
    events_.record(std::move(event));
  }
  arm();
}

}  // namespace smaster::server
