#include "agent/bot/bot_life.hpp"

#include <utility>

namespace smaster::agent {

BotLife::Order BotLife::start(Instant now) {
  phase_ = Phase::running;
  assignment_ = goal_;
  since_ = now;
  return Order::start;
}

BotLife::Order BotLife::set_goal(std::optional<Assignment> goal, Instant now) {
  const bool changed = goal != goal_;
  goal_ = goal;
  switch (phase_) {
    case Phase::running:
      if (assignment_ == goal_) return Order::none;
      phase_ = Phase::stopping;
      return Order::stop;
    case Phase::stopping:
      return Order::none;  // once it is gone the goal of then counts
    case Phase::queued:
      if (!goal_) phase_ = Phase::idle;
      return Order::none;
    case Phase::waiting:
    case Phase::asking:
      // A new assignment gets a new chance: failures as another shard do not count.
      if (!changed) return Order::none;
      [[fallthrough]];
    case Phase::idle:
      backoff_.reset();
      if (goal_) return start(now);
      phase_ = Phase::idle;
      return Order::none;
  }
  return Order::none;
}

BotLife::Order BotLife::respawn(Instant now) {
  backoff_.reset();
  if (phase_ == Phase::running) {
    phase_ = Phase::stopping;
    return Order::stop;
  }
  return phase_ == Phase::waiting || phase_ == Phase::asking ? start(now) : Order::none;
}

BotLife::Order BotLife::exited(Instant now, std::uint64_t random) {
  const bool died = std::exchange(phase_, Phase::idle) == Phase::running;
  assignment_.reset();
  if (!died) {
    backoff_.reset();
    return goal_ ? start(now) : Order::none;
  }
  ++deaths_;
  if (now - since_ >= options_.stable_after) backoff_.reset();
  start_at_ = now + backoff_.next(random);
  phase_ = Phase::waiting;
  return Order::none;
}

BotLife::Order BotLife::tick(Instant now) {
  if (phase_ != Phase::waiting || now < start_at_) return Order::none;
  if (!asks_) return start(now);
  phase_ = Phase::asking;
  return Order::ask;
}

BotLife::Order BotLife::granted(Instant now) { return phase_ == Phase::asking ? start(now) : Order::none; }

void BotLife::defer() {
  phase_ = Phase::queued;
  assignment_.reset();
}

BotLife::Order BotLife::admitted(Instant now) { return phase_ == Phase::queued ? start(now) : Order::none; }

std::optional<Instant> BotLife::deadline() const {
  return phase_ == Phase::waiting ? std::optional(start_at_) : std::nullopt;
}

}  // namespace smaster::agent
