// How many shards were in each state over the last day, for graphs. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "records/series.hpp"

namespace smaster::server {

using StateCounts = std::map<std::string_view, std::int64_t>;

class StateTotals {
 public:
  /// Adds the numbers of shards by state at `at`, which does not go back. Of an interval the worst is kept,
  /// so that a short trouble is visible in a long range: the least of running shards, the most of others.
  void add(Time at, const StateCounts& counts);
  /// `{"start":MS,"step":MS,"states":{STATE:[…]}}`: the states that shards were in, one value per interval,
  /// oldest first; null: no data.
  [[nodiscard]] std::string to_text(const fleet::Resolution& resolution, Time now) const;

 private:
  struct Part {
    std::int64_t number = -1;  ///< index of the interval, counted from 1970
    StateCounts counts;
  };
  using Ring = std::vector<Part>;
  static void add(Ring& ring, const fleet::Resolution& resolution, Time at, const StateCounts& counts);

  Ring hour_ = Ring(fleet::kHour.parts);
  Ring day_ = Ring(fleet::kDay.parts);
};

}  // namespace smaster::server
