// What is wrong with the fleet, for people.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <string>

namespace smaster::control {

/// A line for each alert in the stats, the oldest first; empty if nothing is wrong.
[[nodiscard]] std::string alert_lines(const boost::json::object& stats, std::int64_t now_ms);

}  // namespace smaster::control
