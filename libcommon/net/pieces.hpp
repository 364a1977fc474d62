// A body that comes in pieces.
#pragma once

#include <functional>
#include <string>

#include "base/result.hpp"
#include "net/asio.hpp"

namespace smaster::net {

/// The pieces of a body, each as it is asked for; an empty one is the end. Asked one after the other.
using Pieces = std::function<Task<Result<std::string>>()>;

}  // namespace smaster::net
