#include "records/series.hpp"

#include <algorithm>
#include <limits>
#include <numeric>

namespace smaster::fleet {
namespace {

constexpr float kUnknown = std::numeric_limits<float>::quiet_NaN();

bool known(float value) { return value == value; }

float or_unknown(double value) { return value < 0 ? kUnknown : static_cast<float>(value); }

float mean(const std::vector<double>& loads) {
  if (loads.empty()) return kUnknown;
  return static_cast<float>(std::accumulate(loads.begin(), loads.end(), 0.0) /
                            static_cast<double>(loads.size()));
}

std::int64_t part_of(Time at, const Resolution& resolution) {
  return to_unix_ms(at) / resolution.part.count();
}

std::size_t place(std::int64_t number, const Resolution& resolution) {
  return static_cast<std::size_t>(number) % resolution.parts;
}

}  // namespace

void Series::add(Time at, const ShardStatus& status) {
  const bool started = status.start_time > last_start_;
  last_start_ = std::max(last_start_, status.start_time);
  const bool runs = status.start_time != kNever;
  const std::array<float, kMetrics> figures{
      runs ? or_unknown(status.mem_rss) : kUnknown, mean(status.cpu_load),
      status.message_count_delta < 0 || status.time_delta <= 0
          ? kUnknown
          : static_cast<float>(status.message_count_delta * 1000 / status.time_delta),
      or_unknown(status.ping), started ? 1.0F : 0.0F};
  add(hour_, kHour, at, figures);
  add(day_, kDay, at, figures);
}

void Series::add(Ring& ring, const Resolution& resolution, Time at,
                 const std::array<float, kMetrics>& figures) {
  const auto number = part_of(at, resolution);
  if (number < 0) return;
  ring.resize(resolution.parts);
  auto& part = ring[place(number, resolution)];
  if (number < part.number) return;
  if (number > part.number) part = Part{number, {}, {}};
  for (std::size_t i = 0; i < kMetrics; ++i) {
    if (!known(figures[i]) || part.counts[i] == std::numeric_limits<std::uint16_t>::max()) continue;
    part.sums[i] += figures[i];
    ++part.counts[i];
  }
}

std::vector<float> Series::values(Metric metric, const Resolution& resolution, Time now) const {
  const auto& ring = resolution.parts == kHour.parts ? hour_ : day_;
  std::vector<float> values(resolution.parts, kUnknown);
  if (ring.empty()) return values;
  const auto which = static_cast<std::size_t>(metric);
  const auto last = part_of(now, resolution);
  for (std::size_t i = 0; i < resolution.parts; ++i) {
    const auto number = last - static_cast<std::int64_t>(resolution.parts - 1 - i);
    if (number < 0) continue;
    const auto& part = ring[place(number, resolution)];
    if (part.number != number || part.counts[which] == 0) continue;
    const auto count = metric == Metric::starts ? 1.0F : static_cast<float>(part.counts[which]);
    values[i] = part.sums[which] / count;
  }
  return values;
}

}  // namespace smaster::fleet
