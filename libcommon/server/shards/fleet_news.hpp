// Tells those who wait for a shard or for the plan that something has changed, so that nobody has to poll.
#pragma once

#include <utility>

#include "base/listeners.hpp"
#include "base/types.hpp"

namespace smaster::server {

/// Use on the context's thread only.
class FleetNews {
  /// `shard`: whose status or connection has changed; null: the plan or the goal.
  using Changes = Listeners<const ShardName*>;

 public:
  /// The listener is called within the change, so it must only take note and wake its coroutine.
  [[nodiscard]] Changes::Subscription subscribe(Changes::Listener listener) {
    return changes_.subscribe(std::move(listener));
  }
  void shard_changed(const ShardName& name) { changes_.tell(&name); }
  void plan_changed() { changes_.tell(nullptr); }

 private:
  Changes changes_;
};

}  // namespace smaster::server
