// Shards by state over time: of each interval the worst.
#include "server/dashboard/state_totals.hpp"

#include <gtest/gtest.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "json/json.hpp"

namespace smaster::server {
namespace {

boost::json::array totals_of(const StateTotals& totals, std::string_view state, Time now) {
  const auto value = json::parse(totals.to_text(fleet::kHour, now));
  const auto& states = value->as_object().at("states").as_object();
  const auto* const found = states.if_contains(state);
  return found != nullptr ? found->as_array() : boost::json::array();
}

TEST(StateTotals, AShortTroubleStaysVisible) {
  StateTotals totals;
  const auto start = from_unix_ms(1'000'000 * fleet::kHour.part.count());
  totals.add(start, {{"running", 3}});
  totals.add(start + Millis{1'000}, {{"running", 1}, {"offline", 2}});
  totals.add(start + Millis{2'000}, {{"running", 3}});
  const auto running = totals_of(totals, "running", start);
  ASSERT_EQ(running.size(), fleet::kHour.parts);
  EXPECT_EQ(running.back(), 1);
  EXPECT_TRUE(running.front().is_null());
  EXPECT_EQ(totals_of(totals, "offline", start).back(), 2);
  EXPECT_TRUE(totals_of(totals, "dead", start).empty());

  const auto next = start + fleet::kHour.part;
  totals.add(next, {{"running", 3}});
  EXPECT_EQ(totals_of(totals, "running", next).back(), 3);
  EXPECT_EQ(totals_of(totals, "offline", next).back(), 0);
}

TEST(StateTotals, WhatIsOlderThanTheRangeIsForgotten) {
  StateTotals totals;
  const auto start = from_unix_ms(1'000'000 * fleet::kHour.part.count());
  totals.add(start, {{"offline", 2}});
  const auto later = start + fleet::kHour.part * static_cast<int>(fleet::kHour.parts);
  totals.add(later, {{"running", 2}});
  EXPECT_TRUE(totals_of(totals, "offline", later).empty());
}

}  // namespace
}  // namespace smaster::server
