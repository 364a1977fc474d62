// What shards are told, and when; bots that fail again and again.
#include "fleet/orders.hpp"

#include <gtest/gtest.h>

namespace smaster::fleet {
namespace {

constexpr Time kStart = from_unix_ms(1'000'000'000);

struct OrdersTest : testing::Test {
  static PlanSettings settings() {
    PlanSettings settings;
    settings.goal = ShardCount{1};
    settings.auto_generate = false;
    settings.patience.since = kStart;
    return settings;
  }

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
  Orders orders{settings(), kStart};
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
  EXPECT_FALSE(seat.parked) << "an operator lets it go";
}

TEST_F(OrdersTest, AShardThatWasToldToRespawnHasNotFailed) {
  (void)reports(1);
  for (int i = 2; i <= 20; ++i) {
    orders.respawn_after(seat, Millis{500});
    const auto sent = orders.take_orders();
    ASSERT_EQ(sent.size(), 1u);
    EXPECT_EQ(sent.front().kind, Order::Kind::respawn);
    EXPECT_EQ(sent.front().delay, Millis{500});
    EXPECT_FALSE(reports(i)) << i;
  }
}

}  // namespace
}  // namespace smaster::fleet
