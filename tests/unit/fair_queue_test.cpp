#include "base/fair_queue.hpp"

#include <gtest/gtest.h>

namespace smaster {
namespace {

TEST(FairQueue, KeysTakeTurnsAndEachKeepsItsOrder) {
  FairQueue<int> queue(100, 100);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(queue.push("flood", i));
  EXPECT_TRUE(queue.push("shard", 100));
  EXPECT_TRUE(queue.push("other", 200));
  EXPECT_EQ(queue.pop(), 0);
  EXPECT_EQ(queue.pop(), 100);
  EXPECT_EQ(queue.pop(), 200);
  EXPECT_TRUE(queue.push("shard", 101));
  EXPECT_EQ(queue.pop(), 1);
  EXPECT_EQ(queue.pop(), 101);
  EXPECT_EQ(queue.pop(), 2);
  EXPECT_EQ(queue.size(), 2U);
  EXPECT_EQ(queue.pop(), 3);
  EXPECT_EQ(queue.pop(), 4);
  EXPECT_EQ(queue.pop(), std::nullopt);
}

TEST(FairQueue, PassesOverKeysThatMayNot) {
  FairQueue<int> queue(100, 100);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(queue.push("held", i));
  EXPECT_TRUE(queue.push("free", 100));
  const auto may = [](const std::string& key) { return key != "held"; };
  EXPECT_EQ(queue.pop(may), 100);
  EXPECT_EQ(queue.pop(may), std::nullopt);
  EXPECT_EQ(queue.size(), 3U);
  EXPECT_EQ(queue.pop(), 0);
}

TEST(FairQueue, IsBoundedInAllAndForEach) {
  FairQueue<int> queue(3, 2);
  EXPECT_TRUE(queue.push("a", 1));
  EXPECT_TRUE(queue.push("a", 2));
  EXPECT_FALSE(queue.push("a", 3));
  EXPECT_TRUE(queue.push("b", 4));
  EXPECT_FALSE(queue.push("c", 5));
  EXPECT_EQ(queue.pop(), 1);
  EXPECT_TRUE(queue.push("c", 5));
  EXPECT_EQ(queue.size(), 3U);
}

}  // namespace
}  // namespace smaster
