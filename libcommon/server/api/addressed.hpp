// Resolves which shards a request selects.
#pragma once

#include <boost/json/object.hpp>
#include <initializer_list>
#include <optional>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/types.hpp"
#include "control/stream.hpp"
#include "server/stats/stats.hpp"

namespace smaster::server {

/// The body of a request that selects shards and has the fields `own` besides. A field that is neither is an
/// error: misspelt, it would select the whole fleet. Errors: usage.
[[nodiscard]] Result<boost::json::object> selecting_body(const control::Call& call,
                                                         std::initializer_list<std::string_view> own);

/// The shard ids that a request selects: those in `shards`, the one with the guild `guild`, those on the host
/// labelled `host`, those whose stats row fulfils `where`. Several criteria must all hold; nullopt if none is
/// given. Errors: usage. `body` must outlive the coroutine.
net::Task<Result<std::optional<std::vector<ShardId>>>> addressed(const StatsParts& parts,
                                                                 const boost::json::object& body);

}  // namespace smaster::server
