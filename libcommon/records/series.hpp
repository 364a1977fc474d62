// A shard's figures over the last day, thinned for graphs: half minutes for an hour, five minutes for a day.
// Pure.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "records/shard_info.hpp"

namespace smaster::fleet {

/// What graphs show. Memory in bytes (resident), CPU the mean over the cores 0 … 1, messages a second, ping
/// in milliseconds, starts of the bot.
enum class Metric : std::uint8_t { memory, cpu, messages, ping, starts };
inline constexpr std::size_t kMetrics = 5;
inline constexpr std::array<std::string_view, kMetrics> kMetricNames{"memory", "cpu", "messages", "ping",
                                                                     "starts"};

/// One resolution: the newest `kParts` parts of `part` each.
struct Resolution {
  Millis part;
  std::size_t parts;
};
inline constexpr Resolution kHour{Millis{30'000}, 120};
inline constexpr Resolution kDay{Millis{300'000}, 288};

class Series {
 public:
  /// A status that came at `at`. Those from before the resolutions' reach are ignored; they may come in any
  /// order.
  void add(Time at, const ShardStatus& status);
  /// The means of the parts up to the one that `now` is in, oldest first; starts are counted instead. NaN
  /// where nothing is known.
  [[nodiscard]] std::vector<float> values(Metric metric, const Resolution& resolution, Time now) const;

 private:
  struct Part {
    std::int64_t number = -1;  ///< which part of time it is, counted from 1970
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
