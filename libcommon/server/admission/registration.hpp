// The registry: loads it from the store, adds shards and revokes them.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <set>
#include <vector>

#include "base/result.hpp"
#include "fleet/orders.hpp"
#include "net/asio.hpp"
#include "records/revoked.hpp"
#include "server/events/events.hpp"
#include "server/persistence/status_history.hpp"
#include "server/persistence/store_thread.hpp"
#include "server/planning/goal.hpp"
#include "server/planning/heartbeats.hpp"
#include "server/planning/order_sender.hpp"
#include "server/planning/plans.hpp"
#include "server/shards/directory.hpp"
#include "settings/settings.hpp"

namespace smaster::server {

class Registration {
 public:
  struct Parts {
    net::asio::io_context& context;
    const Settings& settings;
    Directory& directory;
    StoreThread& store;
    StatusHistory& history;
    fleet::Orders& orders;
    OrderSender& sender;
    Plans& plans;
    Goal& goal;
    Heartbeats& heartbeats;
    Events& events;
  };
  explicit Registration(const Parts& parts) : parts_(parts) {}

  /// Set by the wiring: called for each revoked shard, when its session is closed.
  std::function<void(const ShardName&)> on_revoked;

  /// Takes over the data read from the store. Call once, before shards are served.
  void take(Kept kept);
  /// The same in several turns of the loop, while requests are served; until it ends, only the fleet's
  /// figures show the shards loaded so far.
  net::Task<> take_in_turns(Kept kept);
  /// Adds shards to the registry; persisted when it returns. A write saves all or none. Errors: those of the
  /// store; not_found if one is a further process of a shard that was revoked meanwhile (the others are
  /// added).
  net::Task<Result<void>> add(std::vector<fleet::ShardInfo> shards);
  /// Revokes shards: closes their sessions and frees their ids at once. On an error, the store still has some
  /// of them, and shards after the batch that failed (kRemovedAtOnce) are not revoked. `by`: who asked.
  net::Task<Result<void>> remove(std::vector<ShardName> names, std::string by = std::string());

 private:
  void insert(fleet::ShardInfo info);
  net::Task<Result<void>> remove_some(std::vector<ShardName> names, std::string by);

  const Parts parts_;
  fleet::Revoked revoked_;
  std::list<std::shared_ptr<std::set<ShardName>>> adding_;  ///< names being saved by running calls of `add`
};

}  // namespace smaster::server
