// A semaphore whose waiters take turns by key, such as an address: a thousand requests of one key do not
// delay the single request of another.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "base/fair_queue.hpp"
#include "net/asio.hpp"
#include "net/event.hpp"

namespace smaster::server {

class FairSemaphore {
  struct Waiting {
    explicit Waiting(const net::Executor& executor) : wake(executor) {}
    net::Event wake;
    bool granted = false;
    bool left = false;  ///< no longer waits: cancelled, without a place, or it has its turn
  };
  struct State {
    State(std::size_t at_once, std::size_t most_waiting, std::size_t most_each)
        : free(at_once), waiting(most_waiting, most_each) {}
    std::size_t free;
    FairQueue<std::shared_ptr<Waiting>> waiting;

    /// Passes a finished turn to the next waiter.
    void pass_on() {
      while (const auto next = waiting.pop()) {
        if ((*next)->left) continue;
        (*next)->granted = true;
        (*next)->wake.notify();
        return;
      }
      ++free;
    }
  };

 public:
  /// A turn, or none (false). Released at the latest by its destructor; may outlive the semaphore.
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

  /// `at_once`: number of turns. `most_waiting`, `most_each`: maximum number of waiters, in total and per
  /// key.
  FairSemaphore(net::asio::io_context& context, std::size_t at_once, std::size_t most_waiting,
                std::size_t most_each)
      : context_(context), state_(std::make_shared<State>(at_once, most_waiting, most_each)) {}

  /// Waits for a turn. Returns none at once if too many wait of this key, and none if the wait is cancelled
  /// or is the last of the key that has most when too many wait in all. `last`: a turn of the caller,
  /// released only after the caller has queued again, so that its key alternates with the others.
  net::Task<Turn> take(const std::string& key, Turn last) {
    if (!last && state_->free > 0) {
      --state_->free;
      state_->waiting.took(key);
      co_return Turn(state_);
    }
    const auto waiting = std::make_shared<Waiting>(context_.get_executor());
    if (const auto out = state_->waiting.push(key, waiting)) {
      (*out)->left = true;
      (*out)->wake.notify();
    }
    const Leave leave{waiting, state_};
    last.give_back();
    if (!waiting->granted && !waiting->left) co_await waiting->wake.wait();
    if (!std::exchange(waiting->granted, false)) co_return Turn();
    co_return Turn(state_);
  }

  net::Task<Turn> take(const std::string& key) { return take(key, Turn()); }

  [[nodiscard]] std::size_t waiting() const { return state_->waiting.size(); }

 private:
  struct Leave {
    std::shared_ptr<Waiting> waiting;
    std::weak_ptr<State> turns;
    /// Passes on a turn that was granted but not taken.
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
