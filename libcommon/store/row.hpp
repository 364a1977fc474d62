// A registry row as one text: used by stores without columns, and to compare stores after a copy.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "records/shard_info.hpp"

namespace smaster::store {

/// A JSON object with all fields, in a fixed order.
[[nodiscard]] std::string to_text(const fleet::ShardInfo& info);
/// nullopt if the text is no such object or its name is invalid. Missing fields get their defaults.
[[nodiscard]] std::optional<fleet::ShardInfo> parse_row(std::string_view text);

}  // namespace smaster::store
