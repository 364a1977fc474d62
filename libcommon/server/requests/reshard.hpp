// Changes the shard count, balances the hosts, or empties one: shows the plan, then the progress.
#pragma once

#include <boost/json/object.hpp>
#include <memory>
#include <optional>
#include <string>

#include "base/result.hpp"
#include "control/server.hpp"
#include "fleet/planner.hpp"
#include "net/task_scope.hpp"
#include "server/fairness/slices.hpp"
#include "server/planning/goal.hpp"
#include "server/planning/order_sender.hpp"
#include "server/planning/plans.hpp"
#include "server/shards/directory.hpp"
#include "server/shards/fleet_news.hpp"

namespace smaster::server {

/// The parts that resharding uses.
struct ReshardParts {
  net::asio::io_context& context;
  Directory& directory;
  const Plans& plans;
  Goal& goal;
  const OrderSender& sender;
  FleetNews& news;
  Events& events;
  Slices& slices;
  net::asio::thread_pool& rendering;
  net::TaskScope& tasks;
};

/// A request. Without a count or a host to be drained: balance the hosts.
struct Reshard {
  std::optional<ShardCount> count;
  std::optional<fleet::Strategy> strategy;  ///< unset: that of Goal::strategy_for
  bool dry_run = false;
  bool wait = false;
  Millis timeout{0};                      ///< maximum time to wait
  std::optional<std::string> drain = {};  ///< the label of a host
  std::string by = {};                    ///< who asks
};

/// Lines: `{"plan":{…}}` first; with `wait` also `{"progress":{…}}` at each change, and `{"end":{"done":…}}`.
/// Errors: usage if there are not enough spares for blue/green, not_found if no shard has the label.
[[nodiscard]] net::Task<Result<std::shared_ptr<control::LineStream>>> reshard(const ReshardParts& parts,
                                                                              Reshard request);

}  // namespace smaster::server
