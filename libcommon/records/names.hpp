// Names for new shards: three letters, longer when those run out.
#pragma once

#include <cstdint>
#include <functional>

#include "base/types.hpp"

namespace smaster::fleet {

/// A name that `taken` denies, of the shortest length that has one free; `random` picks where to look first.
[[nodiscard]] ShardName generate_name(const std::function<bool(const ShardName&)>& taken,
                                      std::uint64_t random);

}  // namespace smaster::fleet
