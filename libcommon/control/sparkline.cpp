#include "control/sparkline.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "control/select.hpp"

namespace smaster::control {
namespace {

constexpr const char* kBlocks[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
constexpr const char* kCharacters[] = {"_", ".", ":", "-", "=", "+", "*", "#"};

}  // namespace

Sample sample_of(const boost::json::object& status) {
  const auto of = [&](std::string_view key) { return status.if_contains(key); };
  const auto delta = number(of("timeDelta"));
  return {number(of("timestamp")), mean(of("cpuLoad")), number(of("memRSS")),
          delta > 0 ? std::max(0.0, number(of("messageCountDelta"))) * 1000 / delta : 0,
          std::max(0.0, number(of("ping")))};
}

std::string sparkline(std::span<const Point> points, const Range& range, std::size_t width, bool utf8) {
  struct Part {
    double sum = 0;
    double count = 0;
  };
  std::vector<Part> parts(width);
  const auto length = range.to - range.from;
  for (const auto& point : points) {
    if (length <= 0 || width == 0 || point.time < range.from || point.time > range.to) continue;
    const auto at = static_cast<std::size_t>((point.time - range.from) / length * static_cast<double>(width));
    auto& part = parts[std::min(at, width - 1)];
    part.sum += point.value;
    part.count += 1;
  }
  // Fills single gaps: such a part may just have missed a sample. Longer gaps are real.
  for (std::size_t i = 1; i + 1 < width; ++i) {
    if (parts[i].count == 0 && parts[i - 1].count > 0 && parts[i + 1].count > 0) parts[i] = parts[i - 1];
  }
  double highest = 0;
  for (const auto& part : parts) highest = std::max(highest, part.count > 0 ? part.sum / part.count : 0);
  std::string out;
  for (const auto& part : parts) {
    if (part.count == 0) {
      out += ' ';
      continue;
    }
    const auto level = highest > 0 ? std::lround(7 * part.sum / part.count / highest) : 0;
    out += (utf8 ? kBlocks : kCharacters)[level];
  }
  return out;
}

}  // namespace smaster::control
