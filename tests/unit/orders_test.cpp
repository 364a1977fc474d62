// What shards are told, and when; bots that fail again and again.
#include "fleet/orders.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <memory>
#include <vector>

namespace smaster::fleet {
namespace {

constexpr Time kStart = from_unix_ms(1'000'000'000);

PlanSettings settings_for(ShardCount goal) {
  PlanSettings settings;
  settings.goal = goal;
  settings.auto_generate = false;
  settings.patience.since = kStart;
  return settings;
}

struct OrdersTest : testing::Test {
  OrdersTest() {
    seat.info.last_seen = kStart;
    orders.add(seat);
    orders.joined(seat, false, kStart);
    const auto plan = orders.plan(kStart);
    orders.saved(plan.changes, kStart);
    orders.tick(kStart);
    (void)orders.take_orders();
  }

  /// A status of one of WIRE.md's shards, whose bot was started so many seconds after the start.
  std::optional<Parked> reports(int started) {
    ShardStatus status;
    status.goal = status.current = Assignment(ShardId{0}, ShardCount{1});
    status.start_time = kStart + std::chrono::seconds(started);
    return orders.status(seat, status, status.start_time);
  }

  Seat seat{ShardInfo(*ShardName::parse("aaa"))};
  Orders orders{settings_for(ShardCount{1}), kStart};
};

TEST_F(OrdersTest, AShardThatStartsAnewByItselfAgainAndAgainIsParked) {
  EXPECT_FALSE(reports(1));
  EXPECT_FALSE(reports(2)) << "it was told to start, once";
  for (int i = 3; i <= 7; ++i) EXPECT_FALSE(reports(i)) << i;
  const auto parked = reports(8);
  ASSERT_TRUE(parked);
  EXPECT_EQ(parked->pause, Breaker::kFirstPause);
  EXPECT_FALSE(orders.take_orders().back().assignment.bound()) << "it is told to run nothing";
  orders.respawn(seat, kStart + std::chrono::seconds(9));
  EXPECT_FALSE(seat.parked()) << "an operator lets it go";
}

TEST_F(OrdersTest, AShardThatWasToldToRespawnHasNotFailed) {
  (void)reports(1);
  for (int i = 2; i <= 20; ++i) {
    orders.respawn(seat, kStart, Millis{500});
    const auto sent = orders.take_orders();
    ASSERT_EQ(sent.size(), 1u);
    EXPECT_EQ(sent.front().kind, Order::Kind::respawn);
    EXPECT_EQ(sent.front().delay, Millis{500});
    EXPECT_FALSE(reports(i)) << i;
  }
}

TEST_F(OrdersTest, AsManyAreToldAtOnceAsIsAskedForAndTheRestIsDueAtOnce) {
  std::vector<std::unique_ptr<Seat>> others;
  for (const char* const name : {"aab", "aac", "aad", "aae"}) {
    others.push_back(std::make_unique<Seat>(ShardInfo(*ShardName::parse(name))));
    orders.add(*others.back());
    orders.joined(*others.back(), false, kStart);
  }
  orders.set(settings_for(ShardCount{5}));
  orders.saved(orders.plan(kStart).changes, kStart);
  orders.tick(kStart, 2);
  EXPECT_EQ(orders.take_orders().size(), 2U);
  EXPECT_EQ(orders.next(kStart), kStart);
  orders.tick(kStart, 2);
  orders.tick(kStart, 2);
  EXPECT_EQ(orders.take_orders().size(), 3U);
  EXPECT_EQ(orders.next(kStart), std::nullopt);
  for (const auto& other : others) orders.remove(*other);
}

TEST_F(OrdersTest, ABotThatAsksBeforeDiscordHasSaidItsLimitsHasOnePermitAnInterval) {
  (void)reports(1);
  auto now = kStart + kIdentifyInterval;
  EXPECT_FALSE(orders.ask_login(seat, ShardId{7}, 1, now));
  EXPECT_FALSE(orders.identify().limits()) << "who asks for what it does not run changes nothing";
  std::vector<Time> permits;
  for (std::uint64_t ask = 1; now < kStart + 4 * kIdentifyInterval; now += Millis{500}) {
    EXPECT_TRUE(orders.ask_login(seat, ShardId{0}, ask, now));
    orders.tick(now);
    for (const auto& order : orders.take_orders()) {
      if (order.kind != Order::Kind::permit) continue;
      permits.push_back(now);
      orders.login(seat, {LoginEvent::sent, ShardId{0}, ask, now}, now);
      orders.login(seat, {LoginEvent::ready, ShardId{0}, ask, now}, now);
      ++ask;
    }
  }
  ASSERT_EQ(permits.size(), 3u);
  EXPECT_EQ(permits[1] - permits[0], kIdentifyInterval);
  EXPECT_FALSE(orders.identify().limits_known());
  orders.limit({});
  EXPECT_TRUE(orders.identify().limits_known());
}

/// Two shards of one bucket, whose agents' bots cannot ask before they log in.
struct LearntLogins : testing::Test {
  LearntLogins() {
    orders.limit({});
    for (auto* const seat : {&first, &second}) {
      seat->kind = "the bot";
      seat->info.last_seen = kStart;
      orders.add(*seat);
      orders.joined(*seat, true, kStart);
      says(*seat, {}, kStart, false);
    }
    const auto plan = orders.plan(kStart);
    orders.saved(plan.changes, kStart);
  }

  void says(Seat& seat, const Assignment& assignment, Time started, bool ready) {
    ShardStatus status;
    status.goal = status.current = assignment;
    status.start_time = started;
    status.bot.emplace().ready = ready;
    (void)orders.status(seat, status, now);
  }

  /// When the next start is ordered, to a tenth of a second.
  Time next_start(Seat& seat) {
    (void)orders.take_orders();
    while (true) {
      orders.tick(now);
      for (const auto& order : orders.take_orders()) {
        if (order.shard == seat.info.id && order.logs_in) return now;
      }
      now += Millis{100};
    }
  }

  /// The bot of this shard starts in its turn, and has logged in after `took`; never, where that is nothing.
  Time starts(Seat& seat, std::optional<Millis> took) {
    orders.respawn(seat, now);
    const auto at = next_start(seat);
    says(seat, seat.info.goal, at, false);
    if (!took) return at;
    now += *took;
    says(seat, seat.info.goal, at, true);
    return at;
  }

  Time now = kStart;
  Seat first{ShardInfo(*ShardName::parse("aaa"))};
  Seat second{ShardInfo(*ShardName::parse("aab"))};
  Orders orders{settings_for(ShardCount{2}), kStart};
};

TEST_F(LearntLogins, ABotThatTakesFarLongerThanItsLikeHoldsUpTheNextNoMoreThanThat) {
  const auto unknown = starts(first, std::nullopt);
  EXPECT_GE(starts(second, Millis{500}) - unknown, kLoginPatience + kIdentifyInterval)
      << "nothing is known of such bots yet";
  for (int i = 0; i < 4; ++i) (void)starts(i % 2 == 0 ? first : second, Millis{1'000});
  const auto hangs = starts(first, std::nullopt);
  const auto waited = starts(second, Millis{500}) - hangs;
  EXPECT_GE(waited, Millis{3 * 1'000 + 2'000} + kIdentifyInterval);
  EXPECT_LT(waited, kLoginPatience);
}

TEST_F(LearntLogins, WhatIsSetIsTheMost) {
  for (int i = 0; i < 6; ++i) (void)starts(i % 2 == 0 ? first : second, Millis{30'000});
  const auto hangs = starts(first, std::nullopt);
  EXPECT_LE(starts(second, Millis{500}) - hangs, kLoginPatience + kIdentifyInterval + Millis{200});
}

/// Shards of one kind, in one bucket, whose bots have not been started yet.
struct AskingBots : testing::Test {
  AskingBots() {
    orders.limit({});
    for (auto& seat : seats) {
      seat.kind = "the bot";
      seat.info.last_seen = kStart;
      orders.add(seat);
      orders.joined(seat, true, kStart);
      (void)orders.status(seat, {}, kStart);
    }
    const auto plan = orders.plan(kStart);
    orders.saved(plan.changes, kStart);
  }

  /// The shards that are told to start something now.
  std::vector<ShardName> started() {
    orders.tick(now);
    std::vector<ShardName> names;
    for (const auto& order : orders.take_orders()) {
      if (order.kind == Order::Kind::update && order.assignment.bound()) names.push_back(order.shard);
    }
    return names;
  }
  std::vector<ShardName> first_started() {
    auto names = started();
    for (int i = 0; i < 100 && names.empty(); ++i, now += Millis{100}) names = started();
    return names;
  }
  Seat& seat_of(const ShardName& name) {
    return *std::find_if(seats.begin(), seats.end(), [&](const Seat& seat) { return seat.info.id == name; });
  }

  Time now = kStart;
  std::array<Seat, 5> seats{
      Seat{ShardInfo(*ShardName::parse("aaa"))}, Seat{ShardInfo(*ShardName::parse("aab"))},
      Seat{ShardInfo(*ShardName::parse("aac"))}, Seat{ShardInfo(*ShardName::parse("aad"))},
      Seat{ShardInfo(*ShardName::parse("aae"))}};
  Orders orders{settings_for(ShardCount{5}), kStart};
};

TEST_F(AskingBots, OneBotsWordLetsOneOtherTryAndTwoAreBelieved) {
  const auto first = first_started();
  ASSERT_EQ(first.size(), 1u) << "in its turn";
  now += Millis{1'000};
  orders.login(seat_of(first[0]), {LoginEvent::asks}, now);
  const auto second = started();
  ASSERT_EQ(second.size(), 1u);
  orders.login(seat_of(first[0]), {LoginEvent::mute}, now);
  orders.login(seat_of(first[0]), {LoginEvent::asks}, now);
  now += Millis{2'000};
  EXPECT_TRUE(started().empty()) << "saying it again makes no other try";
  orders.login(seat_of(second[0]), {LoginEvent::asks}, now);
  std::size_t others = 0;
  for (int i = 0; i < 20; ++i, now += Millis{100}) others += started().size();
  EXPECT_GE(others, 2u) << "all others, within two seconds";
}

TEST_F(AskingBots, WhoseBotWasSeenNotToAskWaitsForItsTurnWhateverOthersDo) {
  const auto first = first_started();
  ASSERT_EQ(first.size(), 1u);
  auto& mute = seat_of(first[0]);
  orders.login(mute, {LoginEvent::mute}, now);
  for (auto& seat : seats) {
    if (&seat != &mute) orders.login(seat, {LoginEvent::asks}, now);
  }
  now += Millis{2'000};
  (void)started();
  orders.ask_to_start(mute);
  orders.tick(now);
  for (const auto& order : orders.take_orders()) EXPECT_NE(order.shard, mute.info.id);
}

}  // namespace
}  // namespace smaster::fleet
