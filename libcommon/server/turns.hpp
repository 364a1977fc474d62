// Who may use a few threads next. Each address takes its turn, so that a thousand bad signatures from one do
// not hold up the one good signature of another.
#pragma once

#include <memory>
#include <string>

#include "base/fair_queue.hpp"
#include "net/asio.hpp"

namespace smaster::server {

class Turns {
 public:
  Turns(net::asio::io_context& context, std::size_t at_once, std::size_t most_waiting, std::size_t most_each)
      : context_(context), free_(at_once), waiting_(most_waiting, most_each) {}

  /// Waits for a turn; false, at once, when too many wait already. Who gets one gives it back with `give`.
  net::Task<bool> take(const std::string& key) {
    if (free_ > 0) {
      --free_;
      co_return true;
    }
    const auto turn = std::make_shared<net::Timer>(context_.get_executor(), net::Timer::time_point::max());
    if (!waiting_.push(key, turn)) co_return false;
    boost::system::error_code ignored;
    co_await turn->async_wait(net::asio::redirect_error(net::use_task, ignored));
    co_return true;
  }

  void give() {
    const auto next = waiting_.pop();
    if (next) {
      (*next)->cancel();
    } else {
      ++free_;
    }
  }

  [[nodiscard]] std::size_t waiting() const { return waiting_.size(); }

 private:
  net::asio::io_context& context_;
  std::size_t free_;
  FairQueue<std::shared_ptr<net::Timer>> waiting_;
};

}  // namespace smaster::server
