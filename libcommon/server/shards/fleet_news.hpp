// Tells those who wait for a shard or for the plan that something has changed, so that nobody has to poll.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <utility>

#include "base/types.hpp"

namespace smaster::server {

/// Use on the context's thread only.
class FleetNews {
 public:
  /// Called within the change, so it must only take note and wake its coroutine. `shard`: whose status or
  /// connection has changed; null: the plan or the goal.
  using Listener = std::function<void(const ShardName* shard)>;

  /// Calls the listener during its lifetime.
  class Subscription {
   public:
    Subscription(std::shared_ptr<std::list<Listener>> list, Listener listener)
        : list_(std::move(list)), at_(list_->insert(list_->end(), std::move(listener))) {}
    Subscription(const Subscription&) = delete;
    Subscription& operator=(const Subscription&) = delete;
    ~Subscription() { list_->erase(at_); }

   private:
    std::shared_ptr<std::list<Listener>> list_;
    std::list<Listener>::iterator at_;
  };

  [[nodiscard]] Subscription subscribe(Listener listener) { return {listeners_, std::move(listener)}; }
  void shard_changed(const ShardName& name) { tell(&name); }
  void plan_changed() { tell(nullptr); }

 private:
  void tell(const ShardName* shard) {
    for (const auto& listener : *listeners_) listener(shard);
  }

  std::shared_ptr<std::list<Listener>> listeners_ = std::make_shared<std::list<Listener>>();
};

}  // namespace smaster::server
