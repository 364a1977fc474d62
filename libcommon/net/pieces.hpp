// A body that is produced in pieces.
#pragma once

#include <functional>
#include <string>

#include "base/result.hpp"
#include "net/asio.hpp"

namespace smaster::net {

/// Returns the next piece of a body; an empty one marks the end. Call it again only after the previous call
/// has completed.
using Pieces = std::function<Task<Result<std::string>>()>;

}  // namespace smaster::net
