// A shard's row of the registry as one text: how stores without columns keep it, and what is compared when a
// store is copied.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "records/shard_info.hpp"

namespace smaster::store {

/// A JSON object with all that there is, always in the same order.
[[nodiscard]] std::string to_text(const fleet::ShardInfo& info);
/// None when the text is no such object, or its name no shard's; fields that are missing are as in a new row.
[[nodiscard]] std::optional<fleet::ShardInfo> parse_row(std::string_view text);

}  // namespace smaster::store
