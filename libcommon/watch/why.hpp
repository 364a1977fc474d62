// Why a shard is in its state, in a line.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <string>

namespace smaster::watch {

/// What is known of the cause, the most useful first; empty for a shard that runs. Contains what shards have
/// said.
[[nodiscard]] std::string why(const boost::json::object& shard, std::int64_t now_ms);

}  // namespace smaster::watch
