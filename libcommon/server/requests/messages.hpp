// Messages between bots, through their agents: to one shard, to the shard of a guild, or to all others.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/types.hpp"
#include "server/requests/eval.hpp"

namespace smaster::server {

/// The shards that a message is for: `{"shard":3}`, `{"guild":"81384788765712384"}` or `"all"`, which
/// excludes those of the process of `from`. Errors: bad_data for anything else, and for a shard outside the
/// goal.
[[nodiscard]] Result<std::vector<ShardId>> message_targets(Evals& evals, std::string_view to, ShardId from);

/// The shard of a guild; nullopt if `guild` is no number or there are no shards. Discord: (guild id >> 22)
/// mod shard count.
[[nodiscard]] std::optional<ShardId> guild_shard(std::string_view guild, ShardCount count);

/// Sends `message` (Question::message). With a `timeout` it is a request: the result is the reply, or, for
/// all, an array of `{"shard":3,"result":…}` or `{"shard":3,"error":…}` in order of shard. Without, it is the
/// number of shards that it was sent to. Calls back once, never from within.
void send_message(Evals& evals, std::string_view to, Question message, ShardId from,
                  std::optional<Millis> timeout, OnBroadcast then);

}  // namespace smaster::server
