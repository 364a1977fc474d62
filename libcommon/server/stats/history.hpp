// The statuses of the past, as JSON.
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/types.hpp"
#include "control/stream.hpp"

namespace smaster::server {

class Core;

/// `"NAME":[ShardStatus, …]` of the statuses later than `since`, oldest first; nothing else uses the disk for
/// reading meanwhile. `who`: each takes turns. unavailable when too many wait for it.
net::Task<Result<std::string>> history_member(Core& core, ShardName name, Time since, std::string who);

/// The object of these shards, a shard a piece, for an operator.
[[nodiscard]] control::Pieces history_pieces(Core& core, std::vector<ShardName> names, Time since);

}  // namespace smaster::server
