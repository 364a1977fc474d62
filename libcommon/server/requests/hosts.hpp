// The hosts of the fleet, by the labels that agents give them.
#pragma once

#include <string>

#include "base/result.hpp"
#include "net/task_scope.hpp"
#include "server/fairness/slices.hpp"
#include "server/shards/directory.hpp"

namespace smaster::server {

/// Errors: not_found if no known shard is on that host; the message names those that there are.
net::Task<Result<void>> check_host(const Directory& directory, Slices& slices, std::string host);

}  // namespace smaster::server
