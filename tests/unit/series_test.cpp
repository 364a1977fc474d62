#include "records/series.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace smaster::fleet {
namespace {

constexpr Time kNow = from_unix_ms(1'800'000'000'000);

ShardStatus status(double memory, Time start = kNow - Millis{86'400'000}) {
  ShardStatus status;
  status.start_time = start;
  status.mem_rss = memory;
  status.cpu_load = {0.25, 0.75};
  status.message_count_delta = 30;
  status.time_delta = 10'000;
  status.ping = -1;
  return status;
}

TEST(Series, TakesTheMeanOfEachPart) {
  Series series;
  series.add(kNow, status(10));
  series.add(kNow + Millis{1'000}, status(30));
  series.add(kNow - Millis{30'000}, status(50));
  const auto memory = series.values(Metric::memory, kHour, kNow);
  ASSERT_EQ(memory.size(), kHour.parts);
  EXPECT_EQ(memory[119], 20);
  EXPECT_EQ(memory[118], 50);
  EXPECT_TRUE(std::isnan(memory[117]));
  EXPECT_EQ(series.values(Metric::cpu, kHour, kNow)[119], 0.5F);
  EXPECT_EQ(series.values(Metric::messages, kHour, kNow)[119], 3);
  EXPECT_TRUE(std::isnan(series.values(Metric::ping, kHour, kNow)[119])) << "not known";
  EXPECT_EQ(series.values(Metric::memory, kDay, kNow + Millis{300'000})[286], 20);
}

TEST(Series, ForgetsWhatIsOlderThanItsReach) {
  Series series;
  series.add(kNow, status(10));
  for (const auto value : series.values(Metric::memory, kHour, kNow + Millis{3'600'000})) {
    EXPECT_TRUE(std::isnan(value));
  }
  series.add(kNow + Millis{3'600'000}, status(20));
  series.add(kNow, status(99));  // its place has been taken by what is newer
  EXPECT_EQ(series.values(Metric::memory, kHour, kNow + Millis{3'600'000})[119], 20);
}

TEST(Series, CountsStarts) {
  Series series;
  series.add(kNow, status(1, kNow));
  series.add(kNow + Millis{1'000}, status(1, kNow));
  series.add(kNow + Millis{2'000}, status(1, kNow + Millis{2'000}));
  EXPECT_EQ(series.values(Metric::starts, kHour, kNow)[119], 2);
}

}  // namespace
}  // namespace smaster::fleet
