// The fleet in figures, as JSON; every output format is made from it. Rows are written in slices, each as its
// shard is at that moment.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <map>
#include <optional>
#include <string_view>

#include "base/types.hpp"
#include "control/stream.hpp"
#include "fleet/planner.hpp"
#include "net/descriptors.hpp"
#include "server/fairness/slices.hpp"
#include "server/planning/goal.hpp"
#include "server/planning/order_sender.hpp"
#include "server/planning/plans.hpp"
#include "server/shards/directory.hpp"

namespace smaster::server {

/// What the figures are made of.
struct StatsParts {
  Directory& directory;
  const Goal& goal;
  const Plans& plans;
  const OrderSender& sender;
  const net::Descriptors& descriptors;
  Slices& slices;
  Instant started;  ///< this server
};

/// How many shards there are, without master shards.
struct ShardCounts {
  std::int64_t known = 0;
  std::int64_t current = 0;                         ///< connected
  std::int64_t registered = 0;                      ///< ever connected
  std::int64_t configured = 0;                      ///< ids that run as they should
  std::map<std::string_view, std::int64_t> states;  ///< shards by their state

  /// `state`: the shard's.
  void add(const StatsParts& parts, const Shard& shard, std::string_view state);
};
net::Task<ShardCounts> count_shards(const StatsParts& parts, Slice& slice);

/// {goal, current, known, registered, configured, states, clients, uptime_ms}, and what is under way.
/// `clients`: connections with a session; left out when it is nothing.
[[nodiscard]] boost::json::object counts_json(const StatsParts& parts, const ShardCounts& counts,
                                              std::optional<std::size_t> clients);

/// ShardInfo with state, connected, address; and `stats`, without `cpus`, where they are wanted.
[[nodiscard]] boost::json::object row_json(const StatsParts& parts, const Shard& shard, bool stats);

/// The counts and shards:[ShardInfo + state, connected, address, stats], for an operator.
[[nodiscard]] control::Pieces stats_pieces(const StatsParts& parts, std::size_t clients);

/// The same for Prometheus, without what the server counts itself, for anybody.
[[nodiscard]] control::Pieces prometheus_pieces(const StatsParts& parts, std::size_t clients);

/// {up, placed, moving, old}.
[[nodiscard]] boost::json::object to_json(const fleet::Progress& progress);

/// How far a change of the count or of the hosts is; empty when nothing is on its way.
[[nodiscard]] boost::json::object reshard_json(const StatsParts& parts);

}  // namespace smaster::server
