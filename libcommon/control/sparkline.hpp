// Draws a value over time as a row of characters.
#pragma once

#include <boost/json/object.hpp>
#include <span>
#include <string>

namespace smaster::control {

struct Point {
  double time;
  double value;  ///< not negative
};

/// What is drawn of one status; `time` in unix milliseconds, `messages` per second.
struct Sample {
  double time, cpu, memory, messages, ping;
};
[[nodiscard]] Sample sample_of(const boost::json::object& status);

struct Range {
  double from;
  double to;
};

/// `width` characters for the time in `range`. The height of each is the mean of its points, scaled from 0 to
/// the highest mean; a space if it has no points. Uses eighths of a block (U+2581…U+2588), or ASCII without
/// `utf8`.
[[nodiscard]] std::string sparkline(std::span<const Point> points, const Range& range, std::size_t width,
                                    bool utf8);

}  // namespace smaster::control
