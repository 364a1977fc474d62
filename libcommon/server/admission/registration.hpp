// Which shards are known: those that the store has, those that are added, and what a shard's revocation ends.
#pragma once

#include <list>
#include <memory>
#include <set>
#include <vector>

#include "base/result.hpp"
#include "fleet/orders.hpp"
#include "net/asio.hpp"
#include "records/revoked.hpp"
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
  };
  explicit Registration(const Parts& parts) : parts_(parts) {}

  /// What the store has, before anything else.
  void take(Kept kept);
  /// The same while others are served: nothing but the fleet's numbers is to be seen of it before it ends.
  net::Task<> take_in_turns(Kept kept);
  /// Adds shards to the registry: saved when it returns ok, all or none. not_found for further processes of a
  /// shard that was revoked meanwhile.
  net::Task<Result<void>> add(std::vector<fleet::ShardInfo> shards);
  /// Revokes shards: their connections are closed, their ids are free, at once. An error says that they are
  /// still on disk.
  net::Task<Result<void>> remove(std::vector<ShardName> names);

 private:
  void insert(fleet::ShardInfo info);
  net::Task<Result<void>> remove_some(std::vector<ShardName> names);

  const Parts parts_;
  fleet::Revoked revoked_;
  std::list<std::shared_ptr<std::set<ShardName>>> adding_;  ///< names that are being saved, by `add`
};

}  // namespace smaster::server
