// A status as it comes over the wire, which is what comes most.
#pragma once

#include <string_view>

#include "base/result.hpp"
#include "fleet/shard_info.hpp"

namespace smaster::fleet {

/// Reads it over `status`; fields that are missing keep their values. bad_data when it is no JSON object.
[[nodiscard]] Result<void> read_status(std::string_view text, ShardStatus& status);

}  // namespace smaster::fleet
