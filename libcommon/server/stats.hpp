// The fleet in figures, as JSON; every output format is made from it.
#pragma once

#include <boost/json/object.hpp>
#include <optional>
#include <vector>

#include "base/types.hpp"
#include "fleet/planner.hpp"

namespace smaster::server {

class Core;

/// {goal, current, known, registered, configured, clients, uptime_ms}, and what is under way. `clients`:
/// connections with a session; left out when it is nothing.
[[nodiscard]] boost::json::object counts_json(Core& core, std::optional<std::size_t> clients);

/// The counts and shards:[ShardInfo + state, connected, address, stats].
[[nodiscard]] boost::json::object stats_json(Core& core, std::size_t clients);

/// {up, placed, moving, old}.
[[nodiscard]] boost::json::object to_json(const fleet::Progress& progress);

/// How far a change of the count or of the hosts is; empty when nothing is on its way.
[[nodiscard]] boost::json::object reshard_json(Core& core);

}  // namespace smaster::server
