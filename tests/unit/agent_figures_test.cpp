#include <gtest/gtest.h>
#include <unistd.h>

#include "agent/bot/proc.hpp"
#include "agent/bot/statuses.hpp"
#include "json/json.hpp"

namespace smaster::agent {
namespace {

TEST(Cores, AreReadFromTheKernelsText) {
  const auto cores =
      parse_cores("cpu  9 9 9 9\ncpu0 100 10 50 800 40 5 2 0 0 0\ncpu1 1 2 3 4\nintr 5\n", 100);
  ASSERT_EQ(cores.size(), 2u);
  EXPECT_EQ(cores[0].user, 1000);
  EXPECT_EQ(cores[0].nice, 100);
  EXPECT_EQ(cores[0].sys, 500);
  EXPECT_EQ(cores[0].idle, 8000);
  EXPECT_EQ(cores[0].irq, 50);
  EXPECT_EQ(cores[0].total, 9670);
  EXPECT_EQ(cores[1].idle, 40);
}

TEST(Cores, LoadIsWhatWasNotIdleMeanwhile) {
  const std::vector<CoreTimes> before{{0, 0, 0, 100, 0, 200}, {0, 0, 0, 50, 0, 100}};
  const std::vector<CoreTimes> after{{0, 0, 0, 125, 0, 300}, {0, 0, 0, 50, 0, 100}, {0, 0, 0, 10, 0, 10}};
  EXPECT_EQ(core_loads(before, after), (std::vector<double>{0.75, 0, 0}));
}

TEST(Cores, OfThisMachineAreThere) {
  Cores cores;
  cores.read();
  EXPECT_FALSE(cores.loads().empty());
  const auto json = json::parse(cores.json());
  ASSERT_TRUE(json);
  EXPECT_EQ(json->as_array().size(), cores.loads().size());
}

struct StatusesTest : testing::Test {
  Statuses statuses;
  BotFacts facts{"abc", false, Assignment{ShardId{2}, ShardCount{4}}, Assignment{ShardId{1}, ShardCount{4}},
                 from_unix_ms(10)};

  fleet::ShardStatus compose(const char* figures, std::int64_t at) {
    const auto value = json::parse(figures);
    return statuses.compose(facts, value->is_object() ? &value->get_object() : nullptr, from_unix_ms(at),
                            {7, 3});
  }
};

TEST_F(StatusesTest, TheBotsOwnFiguresCount) {
  const auto status = compose(
      R"({"memory":{"heapUsed":1,"heapTotal":2,"rss":3,"external":4},"cpus":[],"numMessages":5,"ping":6})",
      1000);
  EXPECT_EQ(status.id, "abc");
  EXPECT_EQ(status.goal.first(), ShardId{2});
  EXPECT_EQ(status.current.first(), ShardId{1});
  EXPECT_EQ(status.mem_heap_used, 1);
  EXPECT_EQ(status.mem_heap_total, 2);
  EXPECT_EQ(status.mem_rss, 3);
  EXPECT_EQ(status.mem_external, 4);
  EXPECT_EQ(status.message_count_total, 5);
  EXPECT_EQ(status.message_count_delta, 5);
  EXPECT_EQ(status.ping, 6);
  EXPECT_EQ(status.storage_used_total, 7);
  EXPECT_EQ(status.storage_used_users, 3);
  EXPECT_EQ(status.time_delta, 0);
  EXPECT_EQ(status.timestamp, from_unix_ms(1000));
}

TEST_F(StatusesTest, DeltasAreSinceTheLastStatusOfTheSameBot) {
  (void)compose(R"({"numMessages":5})", 1000);
  auto status = compose(R"({"numMessages":9})", 3500);
  EXPECT_EQ(status.message_count_delta, 4);
  EXPECT_EQ(status.time_delta, 2500);
  facts.start_time = from_unix_ms(4000);
  status = compose(R"({"numMessages":2})", 5000);
  EXPECT_EQ(status.message_count_delta, 2) << "a new bot counts from nothing";
}

TEST_F(StatusesTest, ABotThatNoLongerAnswersHasSeenNoMoreMessages) {
  (void)compose(R"({"numMessages":5})", 1000);
  const auto status = compose("null", 2000);
  EXPECT_EQ(status.message_count_total, 5);
  EXPECT_EQ(status.message_count_delta, 0);
  EXPECT_EQ(status.ping, -1);
}

TEST_F(StatusesTest, WhatABotDoesNotSayIsTheKernelsOrUnknown) {
  ProcessTree processes;
  facts.tree =
      processes.descendants_usage(::getppid(), Instant{} + std::chrono::hours(1));  // this test is one
  const auto status = compose("null", 1000);
  EXPECT_GT(status.mem_rss, 1 << 20);
  EXPECT_GT(status.mem_heap_used, 0);
  EXPECT_EQ(status.ping, -1);
  EXPECT_EQ(status.message_count_total, -1);
  EXPECT_EQ(status.message_count_delta, -1);
  EXPECT_FALSE(status.cpu_load.empty());
}

TEST_F(StatusesTest, FiguresOfTheWrongTypeAreAsGoodAsNone) {
  const auto status = compose(R"({"memory":[],"numMessages":"many","ping":{}})", 1000);
  EXPECT_EQ(status.ping, -1);
  EXPECT_EQ(status.message_count_total, -1);
}

}  // namespace
}  // namespace smaster::agent
