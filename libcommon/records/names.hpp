// Generates names for new shards: three letters, longer when those are used up.
#pragma once

#include <cstdint>
#include <functional>

#include "base/types.hpp"

namespace smaster::fleet {

/// Returns a name for which `taken` is false, of the shortest possible length. `random`: where the search
/// starts.
[[nodiscard]] ShardName generate_name(const std::function<bool(const ShardName&)>& taken,
                                      std::uint64_t random);

}  // namespace smaster::fleet
