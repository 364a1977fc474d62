// Events that a status shows: what has changed at a shard's bot since the status before.
#pragma once

#include "server/events/events.hpp"
#include "server/metrics/metrics.hpp"
#include "server/shards/shard.hpp"

namespace smaster::server {

/// Records and counts the changes since the last call for this shard; none at its first status, whose changes
/// may be old. `became_ready`: the shard is ready since this status; used for bots that do not report their
/// gateways.
void record_changes(Events& events, Metrics& metrics, Shard& shard, const fleet::ShardStatus& status,
                    bool became_ready);

/// The last lines of a bot that died, for its event; empty: none are known.
[[nodiscard]] std::string last_words(const Shard& shard);

}  // namespace smaster::server
