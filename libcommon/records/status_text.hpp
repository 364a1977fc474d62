// A status as it comes over the wire, which is what comes most.
#pragma once

#include <span>
#include <string_view>

#include "records/shard_info.hpp"

namespace smaster::fleet {

/// Reads `text`, one JSON value that is known to be valid, over `status`; fields that are missing or of the
/// wrong type keep their values. False, and nothing read, when it is no object. `names`: see json::Members.
[[nodiscard]] bool read_status(std::string_view text, ShardStatus& status,
                               std::span<const std::string_view> names = {});

}  // namespace smaster::fleet
