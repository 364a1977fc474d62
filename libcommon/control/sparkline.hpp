// A row of characters that shows how a value went.
#pragma once

#include <span>
#include <string>

namespace smaster::control {

struct Point {
  double time;
  double value;  ///< not negative
};

struct Range {
  double from;
  double to;
};

/// `width` characters for the time in `range`, each as high as the mean of the points in its part of it,
/// from 0 to the highest of them; a space where there is none. In eighths of a block (U+2581…U+2588), or
/// without `utf8` in ASCII.
[[nodiscard]] std::string sparkline(std::span<const Point> points, const Range& range, std::size_t width,
                                    bool utf8);

}  // namespace smaster::control
