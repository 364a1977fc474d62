// Resolves which shards a request selects.
#pragma once

#include <boost/json/object.hpp>
#include <optional>
#include <vector>

#include "base/result.hpp"
#include "base/types.hpp"
#include "server/stats/stats.hpp"

namespace smaster::server {

/// The shard ids that a request selects: those in `shards`, the one with the guild `guild`, those on the host
/// labelled `host`, those whose stats row fulfils `where`. Several criteria must all hold; nullopt if none is
/// given. Errors: usage. `body` must outlive the coroutine.
net::Task<Result<std::optional<std::vector<ShardId>>>> addressed(const StatsParts& parts,
                                                                 const boost::json::object& body);

}  // namespace smaster::server
