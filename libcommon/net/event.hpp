// Waiting for something that happens on the same thread: an event, or a value that a callback supplies.
#pragma once

#include <boost/asio/redirect_error.hpp>
#include <memory>
#include <optional>
#include <utility>

#include "net/asio.hpp"
#include "net/clock.hpp"

namespace smaster::net {

/// Wakes the coroutines that wait for it. It remembers nothing: a coroutine checks its condition before it
/// waits, and again when it is woken. A cancelled wait ends, too. Use on the context's thread only.
class Event {
 public:
  explicit Event(const Executor& executor) : timer_(executor, kNever) {}

  /// Wakes those who wait now, in a later turn of the loop.
  void notify() { timer_.cancel(); }
  Task<> wait() {
    boost::system::error_code ignored;
    co_await timer_.async_wait(asio::redirect_error(use_task, ignored));
  }
  /// Waits until `at` at most. Nobody else may wait meanwhile.
  Task<> wait_until(Instant at) {
    timer_.expires_at(at);
    co_await wait();
    timer_.expires_at(kNever);
  }

 private:
  static constexpr auto kNever = Timer::time_point::max();
  Timer timer_;
};

/// A value that a callback supplies, once; both may outlive each other.
template <class Value>
class Supplied {
 public:
  explicit Supplied(const Executor& executor) : state_(std::make_shared<State>(executor)) {}

  /// The callback: call it with the value.
  [[nodiscard]] auto callback() const {
    return [state = state_](Value value) {
      state->value = std::move(value);
      state->event.notify();
    };
  }
  /// Waits for the value, until `at` at most; nullopt if there is none by then, or if the wait was cancelled.
  Task<std::optional<Value>> get(Instant at = Instant::max()) {
    if (!state_->value) co_await state_->event.wait_until(at);
    co_return std::move(state_->value);
  }

 private:
  struct State {
    explicit State(const Executor& executor) : event(executor) {}
    Event event;
    std::optional<Value> value;
  };
  std::shared_ptr<State> state_;
};

}  // namespace smaster::net
