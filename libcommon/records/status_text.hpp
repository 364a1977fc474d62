// Fast parsing of statuses, the most frequent message.
#pragma once

#include <span>
#include <string_view>

#include "records/shard_info.hpp"

namespace smaster::fleet {

/// Reads `text`, one valid JSON value, into `status`. Fields that are missing or of the wrong type keep their
/// values. Returns false, with no effect, if it is no object. `names`: see json::Members.
[[nodiscard]] bool read_status(std::string_view text, ShardStatus& status,
                               std::span<const std::string_view> names = {});

}  // namespace smaster::fleet
