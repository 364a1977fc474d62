#include <gtest/gtest.h>

#include "fleet/identify.hpp"

namespace smaster {
namespace {

using fleet::IdentifyLimits;
using fleet::IdentifyQueue;
using Kind = IdentifyQueue::Turn::Kind;

constexpr Time kBegun = from_unix_ms(1'000'000);

ShardName asker(int i) { return *ShardName::parse(std::string{'a', 'a', static_cast<char>('a' + i)}); }

struct LoginsTest : testing::Test {
  IdentifyQueue queue{kBegun};
  LoginsTest() { limit(1); }
  void limit(int concurrency, std::int64_t remaining = 100) {
    queue.limit(IdentifyLimits{
        .max_concurrency = concurrency, .remaining = remaining, .reset_at = at(3'600'000), .total = 1000});
  }
  static Time at(int ms) { return kBegun + Millis{ms}; }
  /// "login aaa, start aab": whose turn it is.
  std::string due(int ms) {
    std::string text;
    for (const auto& turn : queue.due(at(ms))) {
      text += text.empty() ? "" : ", ";
      text += (turn.kind == Kind::login ? "login " : "start ") + turn.shard.str();
    }
    return text;
  }
  void ask(int i, std::uint64_t number = 1) { queue.want_login(asker(i), ShardId{i}, number, kBegun); }
  void sent(int i, int ms, std::uint64_t number = 1) {
    queue.identified(asker(i), ShardId{i}, number, at(ms), at(ms));
  }
  void ready(int i, int ms) { queue.logged_in(asker(i), ShardId{i}, at(ms)); }
  [[nodiscard]] std::int64_t remaining() const { return *queue.limits()->remaining; }
};

TEST_F(LoginsTest, OnePermitABucketUntilItIsKnownWhenItWasUsed) {
  ask(0), ask(1);
  EXPECT_EQ(due(5'000), "login aaa");
  EXPECT_EQ(due(9'999), "");
  sent(0, 6'000);
  ready(0, 6'100);
  EXPECT_EQ(queue.next(at(6'100)), at(11'100)) << "READY bounds the moment of the IDENTIFY";
  EXPECT_EQ(due(11'099), "");
  EXPECT_EQ(due(11'100), "login aab");
}

TEST_F(LoginsTest, WithoutReadyTheIdentifyMayHaveTakenAWhileToArrive) {
  ask(0), ask(1);
  due(5'000);
  sent(0, 6'000);
  EXPECT_EQ(due(11'999), "");
  EXPECT_EQ(due(12'000), "login aab");
  ready(0, 12'500);
  EXPECT_EQ(due(12'500), "") << "what comes late changes nothing for who came after";
}

TEST_F(LoginsTest, APermitThatNobodyUsesHoldsItsBucketUntilItIsVoid) {
  ask(0), ask(1);
  due(5'000);
  EXPECT_EQ(due(14'999), "");
  EXPECT_EQ(due(15'000), "login aab");
  EXPECT_EQ(remaining(), 98) << "it may have been used unseen";
}

TEST_F(LoginsTest, WhatIsGivenBackIsNoLogin) {
  ask(0), ask(1);
  due(5'000);
  queue.forget_login(asker(0), ShardId{0}, 1);  // it resumed
  EXPECT_EQ(due(5'001), "login aab");
  EXPECT_EQ(remaining(), 99);
  queue.ended(asker(1), true, at(5'002));  // before it said that it sent anything
  EXPECT_EQ(remaining(), 100);
  EXPECT_TRUE(queue.drifted()) << "it may have sent it";
  ask(0);
  EXPECT_EQ(due(11'001), "") << "and that may still be on its way";
  EXPECT_EQ(due(11'002), "login aaa");
  EXPECT_EQ(remaining(), 99);
}

TEST_F(LoginsTest, ABotThatDiesAfterItsIdentifyHasLoggedIn) {
  ask(0), ask(1);
  due(5'000);
  sent(0, 5'010);
  queue.ended(asker(0), true, at(5'100));
  EXPECT_EQ(due(11'009), "");
  EXPECT_EQ(due(11'010), "login aab");
  EXPECT_EQ(remaining(), 98);
}

TEST_F(LoginsTest, AQuestionThatCrossesItsAnswerIsOneLogin) {
  ask(0);
  due(5'000);
  ask(0, 2);
  EXPECT_EQ(due(5'001), "") << "the bot may be about to use the permit";
  sent(0, 5'002), ready(0, 5'100);
  EXPECT_EQ(queue.waiting(), 0u);
  EXPECT_EQ(remaining(), 99);
}

TEST_F(LoginsTest, WhatIsGivenBackLateIsNotThePermitOfNow) {
  ask(0);
  due(5'000);
  queue.forget_login(asker(0), ShardId{0}, 1);
  ask(0, 2);
  EXPECT_EQ(due(5'001), "login aaa");
  queue.forget_login(asker(0), ShardId{0}, 1);
  EXPECT_EQ(due(5'002), "");
}

TEST_F(LoginsTest, AnIdentifyThatNobodyPermittedCounts) {
  due(5'000);
  sent(0, 20'000, IdentifyQueue::kNoAsk);
  ask(1);
  EXPECT_EQ(due(25'999), "");
  EXPECT_EQ(due(26'000), "login aab");
  EXPECT_EQ(remaining(), 98);
}

TEST_F(LoginsTest, ARefusedIdentifyIsFollowedByAnotherAsk) {
  ask(0);
  due(5'000);
  sent(0, 5'000);
  ask(0, 2);  // op 9
  EXPECT_EQ(due(10'999), "");
  EXPECT_EQ(due(11'000), "login aaa");
  EXPECT_EQ(remaining(), 98);
}

TEST_F(LoginsTest, AStartHoldsItsBucketUntilTheBotHasLoggedIn) {
  queue.want(asker(0), {ShardId{0}});
  queue.want(asker(1), {ShardId{1}});
  EXPECT_EQ(due(5'000), "start aaa");
  EXPECT_EQ(due(12'000), "");
  queue.all_logged_in(asker(0), at(13'000));
  EXPECT_EQ(due(17'999), "");
  EXPECT_EQ(due(18'000), "start aab");
  EXPECT_EQ(due(37'999), "") << "it never says: the patience, and an interval";
  ask(2);
  EXPECT_EQ(due(38'000), "login aac");
}

TEST_F(LoginsTest, AProcessWithSeveralIdsHasLoggedInWithTheLastOfThem) {
  queue.want(asker(0), {ShardId{0}, ShardId{1}});
  queue.want(asker(2), {ShardId{2}});
  EXPECT_EQ(due(5'000), "start aaa");
  queue.logged_in(asker(0), ShardId{0}, at(6'000));
  EXPECT_EQ(due(20'000), "");
  queue.logged_in(asker(0), ShardId{1}, at(21'000));
  EXPECT_EQ(due(26'000), "start aac");
}

TEST_F(LoginsTest, ABotThatAsksAfterAllLeavesItsStartToTheNextOne) {
  for (int i = 0; i < 3; ++i) queue.want(asker(i), {ShardId{i}});
  EXPECT_EQ(due(5'000), "start aaa");
  queue.asks(asker(0));
  EXPECT_EQ(due(5'500), "start aab");
  queue.asks(asker(1));
  EXPECT_EQ(remaining(), 100);
  ask(0), ask(1);
  EXPECT_EQ(due(6'000), "login aaa");
  sent(0, 6'000), ready(0, 6'000);
  EXPECT_EQ(due(11'000), "login aab");
}

TEST_F(LoginsTest, WhoWasRestartedInItsTurnLogsInInIt) {
  queue.want(asker(0), {ShardId{0}});
  EXPECT_EQ(due(5'000), "start aaa");
  queue.ended(asker(0), false, at(6'000));  // the old process
  ask(1);
  EXPECT_EQ(due(8'000), "");
  ask(0);
  EXPECT_EQ(due(8'500), "login aaa");
  EXPECT_EQ(remaining(), 99);
}

TEST_F(LoginsTest, OneThatLogsInAgainAndAgainUnaskedKeepsNobodyFromItsTurn) {
  std::string given;
  ask(1);
  for (int ms = 5'000; ms < 20'000 && given.empty(); ms += 1'050) {
    queue.identified(asker(0), ShardId{0}, IdentifyQueue::kNoAsk, at(ms), at(ms));
    given = due(ms);
  }
  EXPECT_EQ(given, "login aab");
}

TEST_F(LoginsTest, AnIdentifyIsNotOlderThanItsPermit) {
  ask(0), ask(1);
  due(5'000);
  queue.identified(asker(0), ShardId{0}, 1, at(-50'000), at(5'100));  // by a wrong clock
  EXPECT_EQ(due(9'999), "");
}

TEST_F(LoginsTest, BucketsAreIndependent) {
  limit(4);
  for (int i = 0; i < 8; ++i) ask(i);
  EXPECT_EQ(due(5'000), "login aaa, login aab, login aac, login aad");
  for (int i = 0; i < 4; ++i) sent(i, 5'000), ready(i, 5'000);
  EXPECT_EQ(due(10'000), "login aae, login aaf, login aag, login aah");
}

TEST_F(LoginsTest, DiscordsFigureLacksWhatIsUnderWay) {
  ask(0), ask(1);
  due(5'000);
  limit(1, 50);
  EXPECT_EQ(remaining(), 49);
  sent(0, 5'000), ready(0, 5'000);
  limit(1, 49);
  EXPECT_EQ(remaining(), 49);
}

TEST_F(LoginsTest, TheReserveIsNotForPermits) {
  queue.limit(IdentifyLimits{
      .max_concurrency = 16, .remaining = 12, .reset_at = at(100'000), .total = 500, .reserve = 10});
  for (int i = 0; i < 3; ++i) ask(i);
  EXPECT_EQ(due(5'000), "login aaa, login aab");
  EXPECT_EQ(queue.next(at(5'000)), at(100'000));
  EXPECT_EQ(due(100'000), "login aac");
}

TEST_F(LoginsTest, PermitsOfAnotherServerMayStillBeUsed) {
  queue.take_over(at(100'000));
  queue.assume_permits();
  ask(0);
  EXPECT_EQ(due(109'999), "");
  EXPECT_EQ(due(110'000), "login aaa");
}

TEST_F(LoginsTest, ProcessesThatAnotherServerStartedDelayLoginsUntilTheyAreHeard) {
  queue.take_over(at(100'000));
  queue.assume_started(asker(1), 8);
  queue.assume_started(asker(2), 3);
  queue.assume_started(asker(2), 2);
  ask(0);
  EXPECT_EQ(queue.next(at(100'000)), at(140'000));
  queue.heard(asker(1));
  EXPECT_EQ(queue.next(at(100'000)), at(115'000));
  queue.heard(asker(2));
  EXPECT_EQ(queue.next(at(100'000)), at(105'000));
  queue.heard(asker(2));
  EXPECT_EQ(due(105'000), "login aaa");
}

TEST_F(LoginsTest, AProcessOfAnotherServerLogsInWithOneIdAfterTheOther) {
  queue.take_over(at(100'000));
  queue.started_elsewhere(asker(0), {ShardId{0}, ShardId{1}, ShardId{2}}, at(81'000), at(101'000));
  ask(1);
  EXPECT_EQ(due(110'999), "") << "the third login is due 10 s after a patience of 15 s";
  EXPECT_EQ(due(111'000), "login aab");
}

TEST_F(LoginsTest, WhatAnotherServerStartedIsAboutToLogIn) {
  queue.take_over(at(100'000));
  queue.started_elsewhere(asker(0), {ShardId{0}}, at(98'000), at(101'000));
  EXPECT_EQ(remaining(), 100) << "that server counted it";
  ask(1);
  EXPECT_EQ(due(117'999), "");
  EXPECT_EQ(due(118'000), "login aab");
}

TEST_F(LoginsTest, WithoutLimitsEverybodyLogsInAtOnce) {
  queue.limit(std::nullopt);
  ask(0), ask(1);
  queue.want(asker(2), {ShardId{2}});
  EXPECT_EQ(due(0), "login aaa, login aab, start aac");
}

}  // namespace
}  // namespace smaster
