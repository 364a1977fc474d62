#include "server/dashboard/state_totals.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include "json/json.hpp"

namespace smaster::server {
namespace {

constexpr std::string_view kRunning = "running";

std::int64_t interval_of(Time at, const fleet::Resolution& resolution) {
  return to_unix_ms(at) / resolution.part.count();
}

std::size_t index_of(std::int64_t interval, const fleet::Resolution& resolution) {
  return static_cast<std::size_t>(interval) % resolution.parts;
}

std::int64_t count_of(const StateCounts& counts, std::string_view state) {
  const auto found = counts.find(state);
  return found == counts.end() ? 0 : found->second;
}

}  // namespace

void StateTotals::add(Time at, const StateCounts& counts) {
  add(hour_, fleet::kHour, at, counts);
  add(day_, fleet::kDay, at, counts);
}

void StateTotals::add(Ring& ring, const fleet::Resolution& resolution, Time at, const StateCounts& counts) {
  const auto number = interval_of(at, resolution);
  if (number < 0) return;
  auto& part = ring[index_of(number, resolution)];
  if (number != part.number) {
    part = {number, counts};
    return;
  }
  const auto running = std::min(count_of(part.counts, kRunning), count_of(counts, kRunning));
  for (const auto& [state, count] : counts) part.counts[state] = std::max(part.counts[state], count);
  part.counts[kRunning] = running;
}

std::string StateTotals::to_text(const fleet::Resolution& resolution, Time now) const {
  const auto& ring = resolution.parts == fleet::kHour.parts ? hour_ : day_;
  const auto first = std::max<std::int64_t>(
      interval_of(now, resolution) - static_cast<std::int64_t>(resolution.parts) + 1, 0);
  const auto known = [&](std::size_t i) {
    const auto number = first + static_cast<std::int64_t>(i);
    const auto& part = ring[index_of(number, resolution)];
    return part.number == number ? &part.counts : nullptr;
  };
  std::set<std::string_view> states;
  for (std::size_t i = 0; i < resolution.parts; ++i) {
    const auto* const counts = known(i);
    for (const auto& [state, count] : counts != nullptr ? *counts : StateCounts()) {
      if (count > 0) states.insert(state);
    }
  }
  const auto step = resolution.part.count();
  std::string text =
      R"({"start":)" + std::to_string(first * step) + R"(,"step":)" + std::to_string(step) + R"(,"states":{)";
  const char* comma = "";
  for (const auto state : states) {
    text.append(std::exchange(comma, ",")).append(json::quote(state)).append(":[");
    for (std::size_t i = 0; i < resolution.parts; ++i) {
      const auto* const counts = known(i);
      text.append(i > 0 ? "," : "");
      text += counts == nullptr ? "null" : std::to_string(count_of(*counts, state));
    }
    text += ']';
  }
  return text + "}}";
}

}  // namespace smaster::server
