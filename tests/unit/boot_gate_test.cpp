#include "agent/boot_gate.hpp"

#include <gtest/gtest.h>

#include <array>

namespace smaster::agent {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

struct Bot final : BootOwner {
  void may_boot() override {}
};

struct BootGateTest : testing::Test {
  BootGate gate{2};
  std::array<Bot, 6> bots;
  Instant now{seconds(1000)};

  bool enter(std::size_t bot) { return gate.enter(bots.at(bot), ShardId{static_cast<int>(bot)}, now); }
  std::vector<BootOwner*> in(std::initializer_list<std::size_t> numbers) {
    std::vector<BootOwner*> owners;
    for (const auto number : numbers) owners.push_back(&bots.at(number));
    return owners;
  }
};

TEST_F(BootGateTest, BotsThatDoNotAskBeforeTheyLogInNeverWait) {
  for (std::size_t bot = 0; bot < bots.size(); ++bot) EXPECT_TRUE(enter(bot));
  EXPECT_EQ(gate.deadline(), std::nullopt);
}

TEST_F(BootGateTest, TheLowestIdsBootFirstSoManyAtATime) {
  gate.close();
  EXPECT_TRUE(enter(5));
  EXPECT_TRUE(enter(4));
  EXPECT_TRUE(enter(4)) << "it boots already";
  for (const std::size_t bot : {3, 1, 2, 1}) EXPECT_FALSE(enter(bot));
  EXPECT_EQ(gate.admit(now), in({}));
  gate.leave(bots[5]);
  EXPECT_LE(gate.deadline(), now);
  EXPECT_FALSE(enter(0)) << "those who wait come first, and it is one of them now";
  EXPECT_EQ(gate.admit(now), in({0}));
  gate.leave(bots[4]);
  gate.leave(bots[0]);
  EXPECT_EQ(gate.admit(now), in({1, 2}));
}

TEST_F(BootGateTest, WhoIsNotWantedAnyMoreIsNotAdmitted) {
  gate.close();
  for (const std::size_t bot : {0, 1, 2, 3}) (void)enter(bot);
  gate.leave(bots[2]);
  gate.leave(bots[0]);
  EXPECT_EQ(gate.admit(now), in({3}));
  EXPECT_EQ(gate.deadline(), std::nullopt);
}

TEST_F(BootGateTest, OneThatBootsForLongHoldsUpNobody) {
  gate.close();
  (void)enter(0);
  now += seconds(1);
  (void)enter(1);
  (void)enter(2);
  EXPECT_EQ(gate.deadline(), now - seconds(1) + BootGate::kLongestBoot);
  now = *gate.deadline() - milliseconds(1);
  EXPECT_EQ(gate.admit(now), in({}));
  now += milliseconds(1);
  EXPECT_EQ(gate.admit(now), in({2}));
}

}  // namespace
}  // namespace smaster::agent
