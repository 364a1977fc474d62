#include "base/fair_queue.hpp"

#include <gtest/gtest.h>

namespace smaster {
namespace {

TEST(FairQueue, KeysTakeTurnsAndEachKeepsItsOrder) {
  FairQueue<int> queue(100, 100);
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(queue.push("flood", i));
  EXPECT_FALSE(queue.push("shard", 100));
  EXPECT_FALSE(queue.push("other", 200));
  EXPECT_EQ(queue.pop(), 0);
  EXPECT_EQ(queue.pop(), 100);
  EXPECT_EQ(queue.pop(), 200);
  EXPECT_FALSE(queue.push("shard", 101));
  EXPECT_EQ(queue.pop(), 1);
  EXPECT_EQ(queue.pop(), 101);
  EXPECT_EQ(queue.pop(), 2);
  EXPECT_EQ(queue.size(), 2U);
  EXPECT_EQ(queue.pop(), 3);
  EXPECT_EQ(queue.pop(), 4);
  EXPECT_EQ(queue.pop(), std::nullopt);
}

TEST(FairQueue, TheKeyThatHadTheLastTurnIsAfterThoseThatCameSince) {
  FairQueue<int> queue(100, 100);
  queue.push("a", 1);
  EXPECT_EQ(queue.pop(), 1);
  queue.push("a", 2);
  queue.push("a", 3);
  queue.push("b", 4);
  queue.push("b", 5);
  std::vector<int> order;
  while (const auto item = queue.pop()) order.push_back(*item);
  EXPECT_EQ(order, (std::vector<int>{4, 2, 5, 3}));
}

TEST(FairQueue, ATurnThatWasNotQueuedForCountsToo) {
  FairQueue<int> queue(100, 100);
  queue.took("a");
  queue.push("a", 1);
  queue.push("b", 2);
  EXPECT_EQ(queue.pop(), 2);
}

TEST(FairQueue, SomeOfAKeysItemsAreRemoved) {
  FairQueue<int> queue(100, 100);
  for (int i = 0; i < 4; ++i) queue.push("a", i);
  queue.push("b", 9);
  const auto odd = [](int item) { return item % 2 == 1; };
  EXPECT_EQ(queue.remove("a", odd), (std::deque<int>{1, 3}));
  EXPECT_EQ(queue.remove("b", odd), (std::deque<int>{9}));
  EXPECT_EQ(queue.size(), 2U);
  EXPECT_EQ(queue.pop(), 0);
  EXPECT_EQ(queue.pop(), 2);
  EXPECT_EQ(queue.pop(), std::nullopt);
}

TEST(FairQueue, PassesOverKeysThatMayNot) {
  FairQueue<int> queue(100, 100);
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(queue.push("held", i));
  EXPECT_FALSE(queue.push("free", 100));
  const auto may = [](const std::string& key) { return key != "held"; };
  EXPECT_EQ(queue.pop(may), 100);
  EXPECT_EQ(queue.pop(may), std::nullopt);
  EXPECT_EQ(queue.size(), 3U);
  EXPECT_EQ(queue.pop(), 0);
}

TEST(FairQueue, IsBoundedForEach) {
  FairQueue<int> queue(100, 2);
  EXPECT_FALSE(queue.push("a", 1));
  EXPECT_FALSE(queue.push("a", 2));
  EXPECT_EQ(queue.push("a", 3), 3);
  EXPECT_FALSE(queue.push("b", 4));
  EXPECT_EQ(queue.pop(), 1);
  EXPECT_FALSE(queue.push("a", 3));
  EXPECT_EQ(queue.size(), 3U);
}

TEST(FairQueue, IsBoundedInAllAtTheCostOfWhoHasMost) {
  FairQueue<int> queue(3, 3);
  for (int i = 1; i <= 3; ++i) EXPECT_FALSE(queue.push("flood", i));
  EXPECT_EQ(queue.push("flood", 4), 4);
  EXPECT_EQ(queue.push("shard", 10), 3);
  EXPECT_EQ(queue.push("other", 20), 2);
  EXPECT_EQ(queue.size(), 3U);
  EXPECT_EQ(queue.pop(), 1);
  EXPECT_EQ(queue.pop(), 10);
  EXPECT_EQ(queue.pop(), 20);
  EXPECT_EQ(queue.pop(), std::nullopt);
}

TEST(FairQueue, AKeyCanBeRemoved) {
  FairQueue<int> queue(10, 10);
  for (int i = 1; i <= 3; ++i) EXPECT_FALSE(queue.push("gone", i));
  EXPECT_FALSE(queue.push("stays", 10));
  EXPECT_EQ(queue.remove("gone").size(), 3U);
  EXPECT_TRUE(queue.remove("gone").empty());
  EXPECT_EQ(queue.pop(), 10);
  EXPECT_EQ(queue.size(), 0U);
}

}  // namespace
}  // namespace smaster
