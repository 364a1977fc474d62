// One shard in detail, for people.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <cstdint>
#include <string>

namespace smaster::control {

/// What is drawn of the past: the time that it begins, in unix milliseconds, and its look.
struct PastView {
  std::int64_t from_ms = 0;
  std::size_t width = 40;  ///< characters of a sparkline
  bool utf8 = false;
};

/// Lines about a shard: its state, place, bot, gateways, figures now and over time, and the commands that
/// help in its state. `row`: as in the stats; `past`: its statuses, oldest first. Contains what shards have
/// said.
[[nodiscard]] std::string shard_page(const boost::json::object& row, const boost::json::array& past,
                                     const PastView& view, std::int64_t now_ms);

}  // namespace smaster::control
