#include "records/gateway_watch.hpp"

#include <gtest/gtest.h>

#include <random>

namespace smaster {
namespace {

using fleet::Gateway;
using fleet::GatewayReport;
using fleet::GatewayWatch;

struct GatewayWatchTest : testing::Test {
  GatewayWatch watch;
  GatewayReport report;
  Time now = from_unix_ms(1'000'000);

  GatewayWatchTest() {
    report.id = ShardId{0};
    report.state = "ready";
    report.heard = 0;
  }
  Gateway hear() {
    watch.hear({report}, now);
    return watch.standing();
  }
  /// Ten seconds later, with so many events more.
  Gateway slot(int events) {
    now += Millis{10'000};
    report.events += events;
    return hear();
  }
};

TEST_F(GatewayWatchTest, StatesAreWhatTheBotTells) {
  EXPECT_EQ(hear(), Gateway::running);
  report.state = "logging in";
  EXPECT_EQ(hear(), Gateway::logging_in);
  report.state = "disconnected";
  report.code = 1006;
  EXPECT_EQ(hear(), Gateway::disconnected);
  report.state = "refused";
  report.code = 4014;
  EXPECT_EQ(hear(), Gateway::refused);
  EXPECT_EQ(watch.code(), 4014);
  watch.hear({}, now);
  EXPECT_EQ(watch.standing(), Gateway::unknown);
}

TEST_F(GatewayWatchTest, OneThatGetsNoReadyIsDisconnectedAndOneThatWaitsForItsTurnIsNot) {
  report.state = "waiting";
  for (int i = 0; i < 100; ++i) EXPECT_EQ(slot(0), Gateway::logging_in);
  report.state = "logging in";
  for (int i = 0; i < 7; ++i) EXPECT_EQ(slot(0), Gateway::logging_in);
  EXPECT_EQ(slot(0), Gateway::disconnected);
  report.state = "ready";
  EXPECT_EQ(slot(1), Gateway::running);
  report.state = "logging in";
  EXPECT_EQ(slot(0), Gateway::logging_in);
}

TEST_F(GatewayWatchTest, OnlyDiscordsOwnRefusalsRefuse) {
  report.state = "refused";
  report.code = 1000;
  EXPECT_NE(hear(), Gateway::refused);
}

TEST_F(GatewayWatchTest, ALoopThatTellsNothingStands) {
  report.heard = 35'000;
  EXPECT_EQ(hear(), Gateway::running);
  report.heard = 35'001;
  EXPECT_EQ(hear(), Gateway::hung);
}

TEST_F(GatewayWatchTest, OneWhoseFiguresNobodyTellsIsNotJudgedByThem) {
  report.heard = -1;
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(slot(0), Gateway::running);
}

TEST_F(GatewayWatchTest, ABusyOneThatHearsNothingIsDeafWithinMinutes) {
  for (int i = 0; i < 60; ++i) slot(5);
  int slots = 0;
  while (slot(0) == Gateway::running && slots < 1000) ++slots;
  EXPECT_LE(slots, 10);
  EXPECT_EQ(slot(1), Gateway::running);
}

TEST_F(GatewayWatchTest, OneThatMissesAcksIsNotDeaf) {
  for (int i = 0; i < 60; ++i) slot(5);
  report.acks_missed = 3;
  for (int i = 0; i < 100; ++i) EXPECT_EQ(slot(0), Gateway::running);
}

/// Thirty days of shards that sleep at night: events by chance, from one in 10 s at noon to one in hours at
/// night.
TEST_F(GatewayWatchTest, QuietOnesAreLeftAloneForThirtyDays) {
  constexpr int kDay = 8640;
  for (const double busiest : {1.0, 0.1, 0.01, 0.001}) {
    std::mt19937 random(7);
    std::uniform_real_distribution<double> chance(0, 1);
    watch = {};
    for (int i = 0; i < 30 * kDay; ++i) {
      const double day = (1 - std::cos(2 * 3.141592653589793 * i / kDay)) / 2;
      ASSERT_EQ(slot(chance(random) < busiest * day * day * day ? 1 : 0), Gateway::running)
          << "rate " << busiest << ", day " << i / kDay << ", hour " << i % kDay / 360;
    }
  }
}

}  // namespace
}  // namespace smaster
