#include "agent/bot/bot_life.hpp"

#include <gtest/gtest.h>

namespace smaster::agent {
namespace {

using Order = BotLife::Order;
using Phase = BotLife::Phase;
using std::chrono::milliseconds;
using std::chrono::seconds;

const Assignment kOne{ShardId{1}, ShardCount{4}};
const Assignment kTwo{ShardId{2}, ShardCount{4}};

struct BotLifeTest : testing::Test {
  BotLife life{LifeOptions{}};
  Instant now{seconds(1000)};
};

TEST_F(BotLifeTest, AGoalStartsTheBotOnceAndNoGoalStopsIt) {
  EXPECT_EQ(life.set_goal(kOne, now), Order::start);
  EXPECT_EQ(life.set_goal(kOne, now), Order::none);
  EXPECT_EQ(life.assignment(), kOne);
  EXPECT_EQ(life.set_goal(std::nullopt, now), Order::stop);
  EXPECT_EQ(life.assignment(), kOne) << "it still lives";
  EXPECT_EQ(life.exited(now, 0), Order::none);
  EXPECT_EQ(life.phase(), Phase::idle);
  EXPECT_EQ(life.assignment(), std::nullopt);
}

TEST_F(BotLifeTest, ANewIdWaitsUntilTheOldProcessIsGone) {
  (void)life.set_goal(kOne, now);
  EXPECT_EQ(life.set_goal(kTwo, now), Order::stop);
  EXPECT_EQ(life.set_goal(kOne, now), Order::none);
  EXPECT_EQ(life.set_goal(kTwo, now), Order::none);
  EXPECT_EQ(life.exited(now, 0), Order::start);
  EXPECT_EQ(life.assignment(), kTwo);
}

TEST_F(BotLifeTest, AnotherCountIsAnotherBot) {
  (void)life.set_goal(kOne, now);
  EXPECT_EQ(life.set_goal(Assignment{ShardId{1}, ShardCount{8}}, now), Order::stop);
}

TEST_F(BotLifeTest, ADeadBotIsStartedAgainAfterGrowingPauses) {
  (void)life.set_goal(kOne, now);
  for (const int pause : {1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300}) {
    EXPECT_EQ(life.exited(now, 0), Order::none);
    EXPECT_EQ(life.deadline(), now + seconds(pause));
    EXPECT_EQ(life.tick(now + seconds(pause) - milliseconds(1)), Order::none);
    now += seconds(pause);
    EXPECT_EQ(life.tick(now), Order::start);
  }
  EXPECT_EQ(life.deaths(), 11u);
  EXPECT_TRUE(life.crash_loop());
}

TEST_F(BotLifeTest, JitterTakesUpToHalfOfThePause) {
  for (std::uint64_t random = 0; random < 5000; random += 7) {
    BotLife one{LifeOptions{}};
    (void)one.set_goal(kOne, now);
    (void)one.exited(now, random);
    EXPECT_GE(*one.deadline(), now + milliseconds(500));
    EXPECT_LE(*one.deadline(), now + milliseconds(1000));
  }
}

TEST_F(BotLifeTest, ABotThatLivedLongBeginsWithTheFirstPauseAgain) {
  (void)life.set_goal(kOne, now);
  for (int i = 0; i < 5; ++i) {
    (void)life.exited(now, 0);
    now = *life.deadline();
    (void)life.tick(now);
  }
  now += seconds(60);
  (void)life.exited(now, 0);
  EXPECT_EQ(life.deadline(), now + seconds(1));
  EXPECT_FALSE(life.crash_loop());
}

TEST_F(BotLifeTest, ARespawnStopsAndStartsWithoutAPauseAndReleasesAWaitingOne) {
  EXPECT_EQ(life.respawn(now), Order::none);
  (void)life.set_goal(kOne, now);
  EXPECT_EQ(life.respawn(now), Order::stop);
  EXPECT_EQ(life.exited(now, 0), Order::start);
  EXPECT_EQ(life.deaths(), 0u);
  (void)life.exited(now, 0);
  EXPECT_EQ(life.respawn(now), Order::start);
  EXPECT_EQ(life.deadline(), std::nullopt);
}

TEST_F(BotLifeTest, AWaitingBotThatIsNotWantedAnyMoreIsNotStarted) {
  (void)life.set_goal(kOne, now);
  (void)life.exited(now, 0);
  EXPECT_EQ(life.set_goal(kOne, now), Order::none) << "the same goal does not cut the pause short";
  EXPECT_EQ(life.set_goal(std::nullopt, now), Order::none);
  EXPECT_EQ(life.phase(), Phase::idle);
  EXPECT_EQ(life.tick(now + seconds(100)), Order::none);
}

TEST_F(BotLifeTest, AStoppedBotThatIsWantedAgainStartsOnceItIsGone) {
  (void)life.set_goal(kOne, now);
  (void)life.set_goal(std::nullopt, now);
  EXPECT_EQ(life.set_goal(kOne, now), Order::none);
  EXPECT_EQ(life.exited(now, 0), Order::start);
}

TEST_F(BotLifeTest, ADeferredStartComesWhenItIsAdmittedWithTheGoalOfThen) {
  EXPECT_EQ(life.set_goal(kOne, now), Order::start);
  life.defer();
  EXPECT_EQ(life.phase(), Phase::queued);
  EXPECT_EQ(life.assignment(), std::nullopt);
  EXPECT_EQ(life.set_goal(kTwo, now), Order::none);
  EXPECT_EQ(life.respawn(now), Order::none);
  EXPECT_EQ(life.granted(now), Order::none);
  EXPECT_EQ(life.admitted(now), Order::start);
  EXPECT_EQ(life.assignment(), kTwo);
  EXPECT_EQ(life.admitted(now), Order::none) << "it runs";
}

TEST_F(BotLifeTest, ADeferredStartThatIsNotWantedAnyMoreNeverComes) {
  (void)life.set_goal(kOne, now);
  life.defer();
  EXPECT_EQ(life.set_goal(std::nullopt, now), Order::none);
  EXPECT_EQ(life.phase(), Phase::idle);
  EXPECT_EQ(life.admitted(now), Order::none);
}

}  // namespace
}  // namespace smaster::agent
