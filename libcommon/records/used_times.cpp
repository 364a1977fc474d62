#include "records/used_times.hpp"

#include <algorithm>
#include <utility>

#include "base/text.hpp"

namespace smaster::fleet {

bool UsedTimes::contains(Time time) const {
  return time <= all_up_to_ || std::binary_search(times_.begin(), times_.end(), time);
}

bool UsedTimes::insert(Time time, Time oldest) {
  if (contains(time)) return false;
  times_.insert(std::upper_bound(times_.begin(), times_.end(), time), time);
  auto kept = std::lower_bound(times_.begin(), times_.end(), oldest);
  if (times_.end() - kept > static_cast<std::ptrdiff_t>(kMost)) kept = times_.end() - kMost;
  if (kept != times_.begin()) all_up_to_ = *(kept - 1);
  times_.erase(times_.begin(), kept);
  return true;
}

std::string UsedTimes::text() const {
  if (all_up_to_ == Time{} && times_.empty()) return {};
  auto text = std::to_string(to_unix_ms(all_up_to_));
  for (const auto time : times_) text += ' ' + std::to_string(to_unix_ms(time));
  return text;
}

UsedTimes UsedTimes::parse(std::string_view text) {
  UsedTimes used;
  bool first = true;
  for (const auto part : split(text, ' ')) {
    const auto ms = parse_int<std::int64_t>(part);
    if (!ms) continue;
    if (std::exchange(first, false)) {
      used.all_up_to_ = from_unix_ms(*ms);
    } else {
      used.times_.push_back(from_unix_ms(*ms));
    }
  }
  std::sort(used.times_.begin(), used.times_.end());
  return used;
}

}  // namespace smaster::fleet
