// The status history as JSON.
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

/// `"NAME":[ShardStatus, …]` of the statuses later than `since`, oldest first. One read uses the disk at a
/// time; requesters (`who`) take turns. Errors: unavailable if too many wait; those of the store.
net::Task<Result<std::string>> history_member(const HistoryParts& parts, ShardName name, Time since,
                                              std::string who);

/// The history of these shards as one JSON object, for an operator; each piece has one shard.
[[nodiscard]] control::Pieces history_pieces(const HistoryParts& parts, std::vector<ShardName> names,
                                             Time since);

}  // namespace smaster::server
