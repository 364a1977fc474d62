// Who may use a few threads next. Each address takes its turn, so that a thousand bad signatures from one do
// not hold up the one good signature of another.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "base/fair_queue.hpp"
#include "net/asio.hpp"

namespace smaster::server {

class FairSemaphore {
  struct Waiting {
    explicit Waiting(const net::Executor& executor) : wake(executor, net::Timer::time_point::max()) {}
    net::Timer wake;
    bool granted = false;
    bool left = false;  ///< its coroutine was cancelled, or has its turn
  };
  struct State {
    State(std::size_t at_once, std::size_t most_waiting, std::size_t most_each)
        : free(at_once), waiting(most_waiting, most_each) {}
    std::size_t free;
    FairQueue<std::shared_ptr<Waiting>> waiting;

    /// A turn is over: the next one's.
    void pass_on() {
      while (const auto next = waiting.pop()) {
        if ((*next)->left) continue;
        (*next)->granted = true;
        (*next)->wake.cancel();
        return;
      }
      ++free;
    }
  };

 public:
  /// A turn, or none. It is given back at its end, however that comes; it may outlive the turns.
  class Turn {
   public:
    Turn() = default;
    explicit Turn(const std::shared_ptr<State>& turns) : turns_(turns), held_(true) {}
    Turn(Turn&& other) noexcept : turns_(std::move(other.turns_)), held_(std::exchange(other.held_, false)) {}
    Turn& operator=(Turn&& other) noexcept {
      std::swap(turns_, other.turns_);
      std::swap(held_, other.held_);
      return *this;
    }
    ~Turn() { give_back(); }

    [[nodiscard]] explicit operator bool() const { return held_; }
    void give_back() {
      if (!std::exchange(held_, false)) return;
      if (const auto turns = turns_.lock()) turns->pass_on();
    }

   private:
    std::weak_ptr<State> turns_;
    bool held_ = false;
  };

  FairSemaphore(net::asio::io_context& context, std::size_t at_once, std::size_t most_waiting,
                std::size_t most_each)
      : context_(context), state_(std::make_shared<State>(at_once, most_waiting, most_each)) {}

  /// Waits for a turn; none, at once, when too many wait already. `last`: the one that ends now; whoever
  /// takes turn after turn waits among the others before it ends, so that their keys alternate with this one.
  net::Task<Turn> take(const std::string& key, Turn last) {
    if (!last && state_->free > 0) {
      --state_->free;
      co_return Turn(state_);
    }
    const auto waiting = std::make_shared<Waiting>(context_.get_executor());
    if (!state_->waiting.push(key, waiting)) co_return Turn();
    const Leave leave{waiting, state_};
    last.give_back();
    boost::system::error_code ignored;
    if (!waiting->granted) {
      co_await waiting->wake.async_wait(net::asio::redirect_error(net::use_task, ignored));
    }
    if (!std::exchange(waiting->granted, false)) co_return Turn();
    co_return Turn(state_);
  }

  net::Task<Turn> take(const std::string& key) { return take(key, Turn()); }

  [[nodiscard]] std::size_t waiting() const { return state_->waiting.size(); }

 private:
  struct Leave {
    std::shared_ptr<Waiting> waiting;
    std::weak_ptr<State> turns;
    /// One that was granted and not taken is the next one's.
    ~Leave() {
      waiting->left = true;
      const auto state = turns.lock();
      if (waiting->granted && state) state->pass_on();
    }
  };

  net::asio::io_context& context_;
  std::shared_ptr<State> state_;
};

}  // namespace smaster::server
