// A shard's figures of the last day for graphs: per half minute for an hour, per five minutes for a day.
// Pure.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "records/shard_info.hpp"

namespace smaster::fleet {

/// The figures of the graphs. Memory: resident bytes. CPU: mean over the cores, 0 … 1. Messages: per second.
/// Ping: milliseconds. Starts: number of starts of the bot.
enum class Metric : std::uint8_t { memory, cpu, messages, ping, starts };
inline constexpr std::size_t kMetrics = 5;
inline constexpr std::array<std::string_view, kMetrics> kMetricNames{"memory", "cpu", "messages", "ping",
                                                                     "starts"};

/// One resolution: the latest `parts` intervals of length `part`.
struct Resolution {
  Millis part;
  std::size_t parts;
};
inline constexpr Resolution kHour{Millis{30'000}, 120};
inline constexpr Resolution kDay{Millis{300'000}, 288};

class Series {
 public:
  /// Adds a status received at `at`. Any order is allowed; too old ones are ignored.
  void add(Time at, const ShardStatus& status);
  /// One value per interval, oldest first, up to the one that contains `now`: the mean, or for starts the
  /// sum. NaN: no data.
  [[nodiscard]] std::vector<float> values(Metric metric, const Resolution& resolution, Time now) const;

 private:
  struct Part {
    std::int64_t number = -1;  ///< index of the interval, counted from 1970
    std::array<float, kMetrics> sums{};
    std::array<std::uint16_t, kMetrics> counts{};
  };
  using Ring = std::vector<Part>;
  static void add(Ring& ring, const Resolution& resolution, Time at,
                  const std::array<float, kMetrics>& figures);

  Ring hour_;
  Ring day_;
  Time last_start_ = kNever;
};

}  // namespace smaster::fleet
