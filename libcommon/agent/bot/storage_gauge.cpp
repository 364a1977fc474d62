#include "agent/bot/storage_gauge.hpp"

#include <algorithm>
#include <boost/asio/redirect_error.hpp>

#include "net/clock.hpp"

namespace smaster::agent {
namespace {

constexpr std::chrono::minutes kLeastPause{5};
/// Pause per time of measuring: a walk over millions of files takes seconds; this limits it to 0.05 % of a
/// core.
constexpr int kPausePerWork = 2'000;

}  // namespace

net::Task<> StorageGauge::run() {
  while (!stopped_ && !folder_.empty()) {
    const auto begun = net::now();
    latest_ = co_await net::run_in(pool_, [this] { return measure_storage(folder_); });
    const auto took = net::now() - begun;
    boost::system::error_code ignored;
    pause_.expires_after(std::max<std::chrono::nanoseconds>(kLeastPause, took * kPausePerWork));
    if (!stopped_) co_await pause_.async_wait(net::asio::redirect_error(net::use_task, ignored));
  }
}

void StorageGauge::stop() {
  stopped_ = true;
  pause_.cancel();
}

}  // namespace smaster::agent
