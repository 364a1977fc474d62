#include "fleet/identify.hpp"

#include <gtest/gtest.h>

#include "discord/gateway.hpp"
#include "net/http_client.hpp"

namespace smaster {
namespace {

using fleet::IdentifyLimits;
using fleet::IdentifyQueue;
using std::chrono::seconds;

constexpr Time kStart = from_unix_ms(1'000'000);

ShardName name(int i) {
  return *ShardName::parse(
      std::string{'a', static_cast<char>('a' + i / 26), static_cast<char>('a' + i % 26)});
}

std::string ids(const std::vector<IdentifyQueue::Turn>& turns) {
  std::string text;
  for (const auto& turn : turns) text += turn.shard.str() + ' ';
  return text;
}

struct IdentifyTest : testing::Test {
  IdentifyQueue queue{kStart};
  static Time at(int s) { return kStart + seconds(s); }
  /// Whose turn it is; they log in at once.
  std::vector<IdentifyQueue::Turn> due(Time now) { return due(queue, now); }
  static std::vector<IdentifyQueue::Turn> due(IdentifyQueue& queue, Time now) {
    auto turns = queue.due(now);
    for (const auto& turn : turns) queue.all_logged_in(turn.shard, now);
    return turns;
  }
  void want(int count) {
    for (int i = 0; i < count; ++i) queue.want(name(i), {ShardId{i}});
  }
};

TEST_F(IdentifyTest, WithoutLimitsAllStartAtOnce) {
  want(200);
  EXPECT_EQ(queue.next(at(0)), at(0));
  EXPECT_EQ(due(at(0)).size(), 200u);
  EXPECT_EQ(queue.waiting(), 0u);
  EXPECT_FALSE(queue.next(at(0)));
}

TEST_F(IdentifyTest, NoMoreTurnsAtOnceThanAreAskedForAndTheRestIsDue) {
  want(200);
  EXPECT_EQ(ids(queue.due(at(0), 2)), "aaa aab ");
  EXPECT_EQ(queue.waiting(), 198u);
  EXPECT_EQ(queue.next(at(0)), at(0));
}

TEST_F(IdentifyTest, OneABucketEveryFiveSecondsTheLowestIdFirst) {
  queue.limit(IdentifyLimits{.max_concurrency = 2});
  want(5);
  EXPECT_EQ(queue.next(at(0)), at(5)) << "what logged in before the start is not known";
  EXPECT_TRUE(due(at(4)).empty());
  EXPECT_EQ(ids(due(at(5))), "aaa aab ");
  EXPECT_TRUE(due(at(9)).empty());
  EXPECT_EQ(queue.all_started(at(9)), at(15));
  EXPECT_EQ(ids(due(at(10))), "aac aad ");
  EXPECT_EQ(ids(due(at(20))), "aae ");
}

TEST_F(IdentifyTest, WhoTakesOverDoesNotKnowWhatWasLetGoUntilThen) {
  queue.limit(IdentifyLimits{.max_concurrency = 2});
  queue.take_over(at(100));
  want(2);
  EXPECT_TRUE(due(at(104)).empty());
  EXPECT_EQ(ids(due(at(105))), "aaa aab ");
}

TEST_F(IdentifyTest, AColdStartTakesTheLeastTimeThatTheRulesAllow) {
  for (const int concurrency : {1, 3, 16}) {
    IdentifyQueue fresh(kStart);
    fresh.limit(IdentifyLimits{.max_concurrency = concurrency});
    for (int i = 0; i < 100; ++i) fresh.want(name(i), {ShardId{i}});
    auto now = kStart;
    std::size_t started = 0;
    while (const auto next = fresh.next(now)) {
      now = *next;
      started += due(fresh, now).size();
    }
    EXPECT_EQ(started, 100u);
    EXPECT_EQ(now - kStart, seconds((100 + concurrency - 1) / concurrency * 5)) << concurrency;
  }
}

TEST_F(IdentifyTest, ACopyThatIsMadeOfWishesGivesTheSameTurns) {
  queue.limit(IdentifyLimits{.max_concurrency = 3});
  want(7);
  (void)due(at(5));
  queue.want_login(name(9), ShardId{1}, 4, at(5));
  auto copy = queue.without_waiting();
  EXPECT_EQ(copy.waiting(), 0u);
  for (int i = 9; i >= 0; --i) {
    for (const auto& wish : queue.wishes_of(name(i))) copy.want(wish, at(5));
  }
  EXPECT_EQ(copy.waiting(), queue.waiting());
  EXPECT_EQ(copy.all_started(at(6)), queue.all_started(at(6)));
  for (int second = 6; second < 60; ++second) {
    EXPECT_EQ(ids(due(copy, at(second))), ids(due(at(second)))) << second;
  }
}

TEST_F(IdentifyTest, TheReserveIsKeptAndTheResetIsWaitedFor) {
  queue.limit(IdentifyLimits{
      .max_concurrency = 16, .remaining = 12, .reset_at = at(1000), .total = 500, .reserve = 10});
  want(5);
  EXPECT_EQ(due(at(5)).size(), 2u);
  EXPECT_EQ(queue.next(at(5)), at(1000));
  EXPECT_TRUE(due(at(999)).empty());
  EXPECT_EQ(queue.all_started(at(5)), at(1000));
  EXPECT_EQ(due(at(1000)).size(), 3u);
  EXPECT_EQ(queue.limits()->remaining, 497);
}

TEST_F(IdentifyTest, WhoLeavesTakesNoTurnAndWhoAsksTwiceHasOne) {
  queue.limit(IdentifyLimits{});
  queue.want(name(0), {ShardId{0}});
  queue.want(name(0), {ShardId{0}});
  queue.want(name(1), {ShardId{1}});
  queue.forget(name(0));
  queue.forget(name(7));
  EXPECT_EQ(ids(due(at(5))), "aab ");
  queue.want(name(0), {ShardId{3}});
  queue.want(name(0), {ShardId{2}});
  EXPECT_EQ(queue.waiting(), 1u);
  EXPECT_TRUE(queue.wants(name(0)));
}

TEST_F(IdentifyTest, OneThatStartsAgainAndAgainHoldsNobodyUp) {
  queue.limit(IdentifyLimits{.max_concurrency = 1});
  want(3);
  std::string turns;
  for (int s = 5; s <= 25; s += 5) {
    turns += ids(due(at(s)));
    queue.want(name(0), {ShardId{0}});
  }
  EXPECT_EQ(turns, "aaa aab aac aaa aaa ");
  // Where nobody has waited nothing is held against it.
  queue.want(name(1), {ShardId{1}});
  EXPECT_EQ(ids(due(at(30))), "aaa ");
  EXPECT_EQ(ids(due(at(35))), "aab ");
}

TEST_F(IdentifyTest, EachPeriodsLoginsAreCounted) {
  queue.limit(IdentifyLimits{.max_concurrency = 8, .remaining = 1, .reset_at = at(10), .total = 4});
  want(8);
  EXPECT_EQ(due(at(5)).size(), 1u);
  EXPECT_EQ(due(at(10)).size(), 4u) << "a new period, which has no more";
  EXPECT_EQ(queue.limits()->remaining, 0);
  EXPECT_TRUE(queue.drifted()) << "Discord is to be asked when it began";
  EXPECT_EQ(queue.next(at(20)), at(10) + fleet::kLoginPeriod);
  EXPECT_EQ(due(at(10) + fleet::kLoginPeriod).size(), 3u);
}

TEST_F(IdentifyTest, AResetOfNowIsThatOfAPeriodThatHasNotBegun) {
  queue.limit(IdentifyLimits{.max_concurrency = 8, .remaining = 4, .reset_at = at(0), .total = 4});
  want(8);
  EXPECT_EQ(due(at(5)).size(), 4u);
  EXPECT_TRUE(due(at(50)).empty());
}

TEST_F(IdentifyTest, LoginsThatAreRefusedInTheirTurnSlowAllDown) {
  queue.limit(IdentifyLimits{.max_concurrency = 16});
  const auto all_log_in = [&](Time now) {
    int count = 0;
    for (const auto& turn : queue.due(now)) {
      queue.identified(turn.shard, turn.ids.front(), turn.ask, now, now);
      ++count;
    }
    return count;
  };
  for (int i = 0; i < 16; ++i) queue.want_login(name(i), ShardId{i}, 1, at(5));
  EXPECT_EQ(all_log_in(at(5)), 16);
  queue.logged_in(name(0), ShardId{0}, at(6));
  queue.want_login(name(0), ShardId{0}, 2, at(6));  // its session was lost
  queue.want_login(name(1), ShardId{1}, 2, at(7));
  EXPECT_FALSE(queue.slowed()) << "one may have had another reason";
  EXPECT_TRUE(queue.drifted());
  for (int i = 2; i < 16; ++i) queue.want_login(name(i), ShardId{i}, 2, at(7));
  EXPECT_TRUE(queue.slowed());
  int logins = 0;
  for (int s = 7; s < 120; ++s) {
    const auto now = all_log_in(at(s));
    EXPECT_LE(now, 1);
    logins += now;
  }
  EXPECT_EQ(logins, 16);
  queue.limit(IdentifyLimits{.max_concurrency = 16});
  EXPECT_FALSE(queue.slowed());
}

TEST_F(IdentifyTest, SomeLoginsThatAreLostToOtherCausesSlowNobody) {
  queue.limit(IdentifyLimits{.max_concurrency = 16});
  for (int round = 0; round < 20; ++round) {
    const auto now = at(5 + 10 * round);
    for (int i = 0; i < 16; ++i) queue.want_login(name(i), ShardId{i}, 1, now);
    const auto turns = queue.due(now);
    EXPECT_EQ(turns.size(), 16u);
    for (const auto& turn : turns) queue.identified(turn.shard, turn.ids.front(), turn.ask, now, now);
    // Of each four, one loses its session before READY.
    for (int i = 0; i < 16; ++i) {
      if (i % 4 == 0) {
        queue.want_login(name(i), ShardId{i}, 2, now + seconds(1));
        queue.forget_login(name(i), ShardId{i}, 2);
      } else {
        queue.logged_in(name(i), ShardId{i}, now + seconds(1));
      }
    }
    EXPECT_FALSE(queue.slowed()) << round;
  }
}

TEST_F(IdentifyTest, OneShardThatSaysItIsRefusedSlowsNobodyElse) {
  queue.limit(IdentifyLimits{.max_concurrency = 16});
  queue.want_login(name(1), ShardId{17}, 1, at(5));  // it waits for the bucket of 1
  for (int s = 6; s < 40; ++s) {
    queue.want_login(name(0), ShardId{1}, static_cast<std::uint64_t>(s), at(s));
    for (const auto& turn : queue.due(at(s))) {
      if (turn.shard == name(0)) queue.identified(turn.shard, ShardId{1}, turn.ask, at(s), at(s));
    }
    if (queue.wishes_of(name(1)).empty()) queue.want_login(name(1), ShardId{17}, 1, at(s));
  }
  EXPECT_FALSE(queue.slowed());
}

TEST_F(IdentifyTest, ALateLoginOfABotThatDoesNotAskMovesItsBucket) {
  queue.limit(IdentifyLimits{});
  queue.set_patience(seconds(3));
  want(2);
  EXPECT_EQ(ids(queue.due(at(5))), "aaa ");
  queue.all_logged_in(name(0), at(9));
  queue.logged_in_unasked({ShardId{0}}, at(9));
  EXPECT_TRUE(queue.drifted());
  EXPECT_TRUE(queue.due(at(13)).empty());
  EXPECT_EQ(ids(queue.due(at(14))), "aab ");
  // While others wait, one that logs in again and again does not move it each time.
  want(1);
  for (int s = 15; s < 19; ++s) queue.logged_in_unasked({ShardId{0}}, at(s));
  EXPECT_EQ(ids(queue.due(at(22))), "aaa ");
}

TEST(GatewayBot, IsReadAsDiscordWritesIt) {
  const auto answer = discord::parse_gateway_bot(
      R"({"url":"wss://gateway.discord.gg","shards":9,"session_start_limit":{"total":1000,"remaining":999,"reset_after":14400000,"max_concurrency":1}})",
      kStart);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->recommended, ShardCount{9});
  EXPECT_EQ(
      answer->limits,
      (IdentifyLimits{
          .max_concurrency = 1, .remaining = 999, .reset_at = kStart + Millis{14'400'000}, .total = 1000}));
}

TEST(GatewayBot, OtherAnswersAreRefused) {
  for (
      const char* text :
      {"", "[]", "{}", R"({"shards":1})", R"({"shards":1,"session_start_limit":[]})",
       R"({"shards":0,"session_start_limit":{"total":1,"remaining":1,"reset_after":1,"max_concurrency":1}})",
       R"({"shards":1,"session_start_limit":{"total":1,"remaining":-5,"reset_after":1,"max_concurrency":1}})",
       R"({"shards":1,"session_start_limit":{"total":1,"remaining":1,"reset_after":1,"max_concurrency":0}})",
       R"({"shards":"9","session_start_limit":{"total":1,"remaining":1,"reset_after":1,"max_concurrency":1}})"}) {
    EXPECT_FALSE(discord::parse_gateway_bot(text, kStart)) << text;
  }
}

TEST(ApiBase, IsHttpsOrThisMachine) {
  const auto discord = discord::parse_api_base("https://discord.com/api/v10");
  ASSERT_TRUE(discord);
  EXPECT_EQ(discord->host, "discord.com");
  EXPECT_EQ(discord->port, 443);
  EXPECT_EQ(discord->path, "/api/v10/");
  EXPECT_EQ(discord::parse_api_base("http://127.0.0.1:81/")->port, 81);
  EXPECT_EQ(discord::parse_api_base("http://[::1]:81")->host, "::1");
  EXPECT_TRUE(discord::parse_api_base("http://localhost"));
  for (const char* wrong : {"", "discord.com", "http://discord.com/", "http://10.0.0.1/", "ftp://localhost/",
                            "https://", "https://a:0/", "https://u:p@discord.com/", "https://discord.com/?x",
                            "http://127.0.0.1.example.org/"}) {
    EXPECT_FALSE(discord::parse_api_base(wrong)) << wrong;
  }
}

}  // namespace
}  // namespace smaster
