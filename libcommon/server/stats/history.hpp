// The statuses of the past, as JSON.
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/types.hpp"
#include "control/stream.hpp"
#include "server/fairness/fair_semaphore.hpp"
#include "server/persistence/status_history.hpp"

namespace smaster::server {

struct HistoryParts {
  StatusHistory& history;
  FairSemaphore& turns;  ///< limits concurrent reads, so that writes on the same thread are not delayed
  net::asio::thread_pool& rendering;
};

/// `"NAME":[ShardStatus, …]` of the statuses later than `since`, oldest first; nothing else uses the disk for
/// reading meanwhile. `who`: each takes turns. unavailable when too many wait for it.
net::Task<Result<std::string>> history_member(const HistoryParts& parts, ShardName name, Time since,
                                              std::string who);

/// The object of these shards, a shard a piece, for an operator.
[[nodiscard]] control::Pieces history_pieces(const HistoryParts& parts, std::vector<ShardName> names,
                                             Time since);

}  // namespace smaster::server
