#include "server/cluster/candidacy.hpp"

#include <spdlog/spdlog.h>

#include <boost/asio/redirect_error.hpp>
#include <utility>

#include "base/text.hpp"
#include "net/clock.hpp"

namespace smaster::server {
namespace {

namespace asio = net::asio;

/// Maximum time between two attempts to win the lead, if the store does not notify of changes.
constexpr Millis kLook{1'000};
constexpr Millis kRetry{200};
/// Longer than other servers take to notice that there is no leader.
constexpr Millis kHoldBack{1'000};

/// Allowance for clocks of different machines that run at different speeds, over one lease.
Millis margin(Millis lease) { return lease / 50; }

}  // namespace

Candidacy::Candidacy(const Parts& parts, store::Election& election)
    : parts_(parts),
      election_(election),
      pause_(parts.context.get_executor()),
      watchdog_(parts.context.get_executor()),
      ended_(parts.context.get_executor()) {}

net::Task<> Candidacy::run(store::Member self, bool hold_back) {
  self_ = std::move(self);
  auto running = std::optional(running_.begin());
  if (hold_back) co_await pause(kHoldBack);
  while (!stopping_) {
    if (leads_) {
      co_await keep();
    } else {
      co_await campaign();
    }
  }
  running.reset();
  ended_.notify();
}

net::Task<> Candidacy::campaign() {
  const auto begun = net::since_boot();
  const auto standing = co_await net::run_in(thread_, [this] { return election_.campaign(self_); });
  note(standing ? Result<void>() : standing.error());
  if (stopping_) co_return;
  if (!standing) {
    leader_ = {};
    co_await pause(kRetry);
    co_return;
  }
  if (standing->leader.name != leader_.name && !standing->leads && !standing->leader.name.empty()) {
    spdlog::info("{} leads; this server stands by", standing->leader.url);
  }
  leader_ = standing->leader;
  if (standing->leads) {
    leads_ = true;
    parts_.leadership.lease_until(begun + election_.lease() - margin(election_.lease()));
    arm_watchdog();
    elected();
    co_return;
  }
  const auto asked = net::now();
  const auto read = co_await parts_.read_ahead();
  if (read) read_ahead_ = asked;
  if (stopping_) co_return;
  co_await net::run_in(thread_, [this] { election_.wait(kLook); });
}

/// Waits until the lease is due for renewal and renews it once.
net::Task<> Candidacy::keep() {
  const auto lease = election_.lease();
  co_await pause(trouble_.empty() ? lease / 3 : kRetry);
  if (stopping_ || !leads_) co_return;
  const auto begun = net::since_boot();
  const auto renewed = co_await net::run_in(thread_, [this] { return election_.renew(); });
  note(renewed);
  if (stopping_ || !leads_) co_return;
  if (renewed && parts_.leadership.leased()) {
    parts_.leadership.lease_until(begun + lease - margin(lease));
    arm_watchdog();
  } else if (!renewed && renewed.error().kind == ErrorKind::not_permitted) {
    depose(renewed.error().message);
  }
}

/// Deposes this server when its lease expires, even while a renewal is still running.
void Candidacy::arm_watchdog() {
  const auto left = parts_.leadership.until() - net::since_boot();
  watchdog_.expires_after(std::max<std::chrono::nanoseconds>(left, std::chrono::nanoseconds{0}));
  watchdog_.async_wait([this](boost::system::error_code error) {
    if (error || stopping_ || !leads_ || parts_.leadership.leased()) return;
    depose(trouble_.empty() ? "this server was held up for too long" : trouble_);
  });
}

void Candidacy::depose(const std::string& why) {
  leads_ = false;
  lost_ = true;
  parts_.leadership.lose();
  pause_.cancel();
  deposed(why);
}

/// Logs the beginning and the end of a failure once.
void Candidacy::note(const Result<void>& result) {
  const auto before = std::exchange(trouble_, result ? "" : result.error().message);
  if (before.empty() == trouble_.empty()) return;
  if (trouble_.empty()) {
    spdlog::info("the store can be reached again");
  } else {
    spdlog::warn("{}", trouble_);
  }
}

net::Task<> Candidacy::pause(Millis time) {
  boost::system::error_code ignored;
  pause_.expires_after(time);
  co_await pause_.async_wait(asio::redirect_error(net::use_task, ignored));
}

net::Task<> Candidacy::stop() {
  stopping_ = true;
  pause_.cancel();
  watchdog_.cancel();
  election_.stop();
  while (running_) co_await ended_.wait();
  parts_.leadership.lose();
  if (!lost_) co_await net::run_in(thread_, [this] { election_.resign(); });
}

void Candidacy::join() {
  election_.stop();
  thread_.join();
}

Millis Candidacy::lag() const {
  if (leads_) return Millis{0};
  if (read_ahead_ == Instant{}) return Millis::max();
  return std::chrono::duration_cast<Millis>(net::now() - read_ahead_);
}

net::Task<Result<std::vector<store::Member>>> Candidacy::members() {
  co_return co_await net::run_in(thread_, [this] { return election_.members(); });
}

}  // namespace smaster::server
