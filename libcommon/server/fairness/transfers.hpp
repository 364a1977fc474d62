// Schedules the files that are sent to shards: one at a time per shard, and shards take turns, so that few
// files are open at once however many are requested.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "server/fairness/fair_semaphore.hpp"

namespace smaster::server {

class Transfers {
  struct Lane {
    Lane(net::asio::io_context& context, std::size_t most) : turns(context, 1, most, most) {}
    FairSemaphore turns;
    std::size_t size = 0;
  };
  struct State {
    std::size_t size = 0;
    std::map<std::string, std::shared_ptr<Lane>> lanes;  ///< by shard, while it has tickets

    void leave(const std::string& shard) {
      const auto found = lanes.find(shard);
      --size;
      if (--found->second->size == 0) lanes.erase(found);
    }
  };

 public:
  /// `at_once`: maximum number of open files. `most`, `most_each`: maximum number of transfers that wait, are
  /// being sent or are not acknowledged, in total and per shard.
  Transfers(net::asio::io_context& context, std::size_t at_once, std::size_t most, std::size_t most_each)
      : context_(context), most_(most), most_each_(most_each), turns_(context, at_once, most, most_each) {}

  /// A transfer from its request to its acknowledgement. May outlive the Transfers.
  class Ticket {
   public:
    Ticket(std::shared_ptr<State> state, std::string shard)
        : state_(std::move(state)), shard_(std::move(shard)) {}
    Ticket(Ticket&&) noexcept = default;
    Ticket& operator=(Ticket&&) = delete;
    ~Ticket() {
      if (state_) state_->leave(shard_);
    }

   private:
    friend class Transfers;
    std::shared_ptr<State> state_;
    std::string shard_;
  };

  /// The right to have a file open, or none (false). Released by its destructor.
  class Turn {
   public:
    Turn() = default;
    Turn(std::shared_ptr<Lane> lane, FairSemaphore::Turn of_shard, FairSemaphore::Turn of_all)
        : lane_(std::move(lane)), of_shard_(std::move(of_shard)), of_all_(std::move(of_all)) {}

    [[nodiscard]] explicit operator bool() const { return of_shard_ && of_all_; }

   private:
    std::shared_ptr<Lane> lane_;
    FairSemaphore::Turn of_shard_;
    FairSemaphore::Turn of_all_;
  };

  /// Registers a transfer; nullopt if there are too many.
  [[nodiscard]] std::optional<Ticket> enter(const std::string& shard) {
    if (state_->size >= most_) return std::nullopt;
    auto& lane = state_->lanes[shard];
    if (!lane) lane = std::make_shared<Lane>(context_, most_each_);
    if (lane->size >= most_each_) return std::nullopt;
    ++lane->size;
    ++state_->size;
    return Ticket(state_, shard);
  }

  /// Waits for the ticket's turn; none if the wait is cancelled.
  net::Task<Turn> take(const Ticket& ticket) {
    const auto shard = ticket.shard_;
    const auto lane = state_->lanes.at(shard);
    auto of_shard = co_await lane->turns.take(shard);
    if (!of_shard) co_return Turn();
    auto of_all = co_await turns_.take(shard);
    co_return Turn(lane, std::move(of_shard), std::move(of_all));
  }

  [[nodiscard]] std::size_t size() const { return state_->size; }
  /// True if a transfer waits for another one to close its file.
  [[nodiscard]] bool waits() const { return turns_.waiting() > 0; }

 private:
  net::asio::io_context& context_;
  const std::size_t most_;
  const std::size_t most_each_;
  FairSemaphore turns_;
  std::shared_ptr<State> state_ = std::make_shared<State>();
};

}  // namespace smaster::server
