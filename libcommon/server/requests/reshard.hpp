// Another shard count, or the ids evened out over the hosts: what will happen, and how far it is.
#pragma once

#include <boost/json/object.hpp>
#include <memory>
#include <optional>

#include "base/result.hpp"
#include "control/server.hpp"
#include "fleet/planner.hpp"
#include "net/task_scope.hpp"
#include "server/fairness/slices.hpp"
#include "server/planning/goal.hpp"
#include "server/planning/order_sender.hpp"
#include "server/planning/plans.hpp"
#include "server/shards/directory.hpp"

namespace smaster::server {

/// What it works with.
struct ReshardParts {
  net::asio::io_context& context;
  Directory& directory;
  const Plans& plans;
  Goal& goal;
  const OrderSender& sender;
  Slices& slices;
  net::asio::thread_pool& rendering;
  net::TaskScope& tasks;
};

/// What is asked for. Without a count: even out the hosts.
struct Reshard {
  std::optional<ShardCount> count;
  std::optional<fleet::Strategy> strategy;  ///< none: by the spares there are
  bool dry_run = false;
  bool wait = false;
  Millis timeout{0};  ///< how long to wait
};

/// Lines: `{"plan":{…}}` first, then, where it is waited for, `{"progress":{…}}` whenever there is some, and
/// `{"end":{"done":…}}`. Fails where it cannot be done as asked.
[[nodiscard]] net::Task<Result<std::shared_ptr<control::LineStream>>> reshard(const ReshardParts& parts,
                                                                              Reshard request);

}  // namespace smaster::server
