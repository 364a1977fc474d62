// Which shards a request is about.
#pragma once

#include <boost/json/object.hpp>
#include <optional>
#include <vector>

#include "base/result.hpp"
#include "base/types.hpp"
#include "server/stats/stats.hpp"

namespace smaster::server {

/// The shard ids that a request is about: those listed in `shards`, the one that `guild` lives on, those on
/// the host labelled `host`, those whose row of the stats fulfils `where`; what is given is combined. Nothing
/// when none of them is. `body` lives until it returns.
net::Task<Result<std::optional<std::vector<ShardId>>>> addressed(const StatsParts& parts,
                                                                 const boost::json::object& body);

}  // namespace smaster::server
