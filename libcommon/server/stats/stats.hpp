// The fleet's figures as JSON, from which every output format is made. Rows are written in slices, each with
// its shard's state at that moment.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.hpp"
#include "control/stream.hpp"
#include "fleet/planner.hpp"
#include "net/descriptors.hpp"
#include "server/events/alert_book.hpp"
#include "server/fairness/slices.hpp"
#include "server/planning/goal.hpp"
#include "server/planning/order_sender.hpp"
#include "server/planning/plans.hpp"
#include "server/shards/directory.hpp"

namespace smaster::server {

/// The parts that the figures come from.
struct StatsParts {
  Directory& directory;
  const Goal& goal;
  const Plans& plans;
  const OrderSender& sender;
  const net::Descriptors& descriptors;
  Slices& slices;
  const AlertBook& alerts;
  Instant started;  ///< start of this server
  /// What is wrong with the server itself now, a sentence each; may be empty.
  const std::function<std::vector<std::string>()>& troubles;
};

/// {key, text, since, silenced}
[[nodiscard]] boost::json::object alert_json(const ActiveAlert& alert);

/// Numbers of shards, without master shards.
struct ShardCounts {
  std::int64_t known = 0;
  std::int64_t current = 0;                         ///< connected
  std::int64_t registered = 0;                      ///< ever connected
  std::int64_t configured = 0;                      ///< ids of the goal that run
  std::map<std::string_view, std::int64_t> states;  ///< shards by their state

  /// `state`: the shard's (Plans::state).
  void add(const StatsParts& parts, const Shard& shard, std::string_view state);
};
net::Task<ShardCounts> count_shards(const StatsParts& parts, Slice& slice);

/// {goal, current, known, registered, configured, states, clients, uptime_ms}, and resharding and logins in
/// progress. `clients`: connections with a session; unset: left out.
[[nodiscard]] boost::json::object counts_json(const StatsParts& parts, const ShardCounts& counts,
                                              std::optional<std::size_t> clients);

/// ShardInfo with state, connected, address. `stats`: also the last status, without `cpus`.
[[nodiscard]] boost::json::object row_json(const StatsParts& parts, const Shard& shard, bool stats);

/// The counts and shards:[ShardInfo + state, connected, address, stats], for an operator.
[[nodiscard]] control::Pieces stats_pieces(const StatsParts& parts, std::size_t clients);

/// The same in Prometheus' format, without the server's own metrics, for anybody.
[[nodiscard]] control::Pieces prometheus_pieces(const StatsParts& parts, std::size_t clients);

/// {up, placed, moving, old}.
[[nodiscard]] boost::json::object to_json(const fleet::Progress& progress);

/// Progress of a change of the count, or of a rebalancing; empty if there is none.
[[nodiscard]] boost::json::object reshard_json(const StatsParts& parts);

}  // namespace smaster::server
