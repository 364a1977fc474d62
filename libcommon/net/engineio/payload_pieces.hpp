// An Engine.IO payload, piece by piece: where a frame's bytes are read while it is sent, each piece waits for
// them.
#pragma once

#include <string>

#include "base/result.hpp"
#include "net/asio.hpp"
#include "wire/engineio/packet.hpp"

namespace smaster::net {

/// Empty at the end; unavailable when a frame's source has failed. `encoder` lives until it returns.
Task<Result<std::string>> next_piece(engineio::PayloadEncoder& encoder, Executor executor);

}  // namespace smaster::net
