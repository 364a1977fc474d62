#include "records/used_times.hpp"

#include <gtest/gtest.h>

#include "store/row.hpp"

namespace smaster::fleet {
namespace {

constexpr Millis kPrecision{300'000};
const Time kNow = from_unix_ms(1'800'000'000'000);
constexpr Millis kSecond{1'000};

TEST(UsedTimes, EachTimeIsGoodOnceInWhateverOrder) {
  UsedTimes used;
  EXPECT_TRUE(used.insert(kNow, kNow - kPrecision));
  EXPECT_FALSE(used.insert(kNow, kNow - kPrecision));
  EXPECT_TRUE(used.insert(kNow - kSecond, kNow - kPrecision)) << "another process signed a little earlier";
  EXPECT_FALSE(used.insert(kNow - kSecond, kNow - kPrecision));
}

TEST(UsedTimes, AClockThatIsSetBackShutsNobodyOut) {
  UsedTimes used;
  EXPECT_TRUE(used.insert(kNow + Millis{299'000}, kNow - kPrecision));
  EXPECT_TRUE(used.insert(kNow - Millis{299'000}, kNow - kPrecision));
  EXPECT_FALSE(used.insert(kNow + Millis{299'000}, kNow - kPrecision));
}

TEST(UsedTimes, WhatWasUsedStaysUsedWhateverTheServersClockAndSettingsDo) {
  UsedTimes used;
  EXPECT_TRUE(used.insert(kNow, kNow - kPrecision));
  // Half an hour later the first one is out of the window, and no longer kept by itself.
  const auto later = kNow + Millis{1'800'000};
  EXPECT_TRUE(used.insert(later, later - kPrecision));
  // The clock goes back, or timestamp_precision is raised: it must not be good again.
  EXPECT_FALSE(used.insert(kNow, kNow - kPrecision));
  EXPECT_TRUE(used.contains(kNow));
}

TEST(UsedTimes, ItsSizeIsBoundedAndNothingOfItIsForgotten) {
  UsedTimes used;
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(used.insert(kNow + i * kSecond, kNow - kPrecision));
  for (int i = 0; i < 1000; ++i) EXPECT_FALSE(used.insert(kNow + i * kSecond, kNow - kPrecision));
  EXPECT_LT(used.text().size(), 14 * (UsedTimes::kMost + 1));
}

TEST(UsedTimes, ItIsPartOfTheRegistrysRow) {
  ShardInfo info(*ShardName::parse("abc"));
  EXPECT_EQ(store::parse_row(store::to_text(info)), info);
  EXPECT_TRUE(info.used.insert(kNow, kNow - kPrecision));
  EXPECT_TRUE(info.used.insert(kNow + kSecond, kNow + Millis{1}));
  const auto read = store::parse_row(store::to_text(info));
  ASSERT_TRUE(read);
  EXPECT_EQ(*read, info);
  EXPECT_TRUE(read->used.contains(kNow));
  EXPECT_TRUE(read->used.contains(kNow + kSecond));
  EXPECT_FALSE(read->used.contains(kNow + 2 * kSecond));
}

}  // namespace
}  // namespace smaster::fleet
