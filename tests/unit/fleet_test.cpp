#include <gtest/gtest.h>

#include "json/json.hpp"
#include "records/shard_info.hpp"
#include "records/status_text.hpp"
#include "server/fairness/attempts.hpp"

namespace smaster::fleet {
namespace {

ShardName name(std::string_view text) { return *ShardName::parse(text); }

void read_text(std::string_view text, ShardStatus& status) { ASSERT_TRUE(read_status(text, status)); }

TEST(ShardStatus, FieldsOfTheWrongTypeKeepTheirOldValue) {
  ShardStatus status;
  read_text(R"({"ping":12,"memRSS":5,"goalShardId":3,"cpuLoad":[0.5],"isMaster":true})", status);
  read_text(R"({"ping":"fast","memRSS":null,"goalShardId":{},"cpuLoad":"x","isMaster":1,"timestamp":[]})",
            status);
  EXPECT_EQ(status.ping, 12);
  EXPECT_EQ(status.mem_rss, 5);
  EXPECT_EQ(status.goal.first(), ShardId{3});
  EXPECT_EQ(status.cpu_load, std::vector<double>{0.5});
  EXPECT_TRUE(status.is_master);
}

TEST(ShardStatus, MembersOfAMegabyteAreLeftOutAndTheRestIsRead) {
  std::string loads = "0.5";
  for (int i = 0; i < 300'000; ++i) loads += ",0.5";
  ShardStatus status;
  read_text(R"({"cpuLoad":[)" + loads + R"(],"ping":42,"goalShardIds":[)" + loads + R"(],"bot":{"x":[)" +
                loads + "]}}",
            status);
  EXPECT_TRUE(status.cpu_load.empty());
  EXPECT_FALSE(status.bot);
  EXPECT_EQ(status.ping, 42);
}

TEST(ShardStatus, StorageMayBeText) {
  ShardStatus status;
  read_text(R"({"storageUsedTotal":" 2048 ","storageUsedUsers":7})", status);
  EXPECT_EQ(status.storage_used_total, 2048);
  EXPECT_EQ(status.storage_used_users, 7);
  read_text(R"({"storageUsedTotal":"12 MB"})", status);
  EXPECT_EQ(status.storage_used_total, 2048);
}

TEST(ShardStatus, NumbersOutOfRangeDoNoHarm) {
  ShardStatus status;
  read_text(
      R"({"goalShardId":1e300,"currentShardId":99999999999,"timestamp":1e308,"ping":-1e308,"timeDelta":1e-320})",
      status);
  EXPECT_EQ(status.goal.first(), kNoShard);
  EXPECT_EQ(status.current.first(), kNoShard);
  EXPECT_EQ(status.ping, 0);
  read_text(R"({"memRSS":1024,"cpuLoad":[1e308,-5,0.5],"messageCountDelta":-1})", status);
  EXPECT_EQ(status.cpu_load, (std::vector<double>{0, 0, 0.5}));
  EXPECT_EQ(status.message_count_delta, -1) << "a bot that does not count";
  read_text(R"({"memRSS":1e308,"memHeapUsed":-3})", status);
  EXPECT_EQ(status.mem_rss, 1024);
  EXPECT_EQ(status.mem_heap_used, 0);
}

TEST(ShardInfo, RoundTripsThroughJson) {
  ShardInfo info(name("abc"));
  read(json::parse(R"({"key":"K","isMaster":true,"lastSeen":1,"lastHeartbeat":2,"createdTime":3,"bootTime":4,
                       "stopTime":5,"goalShardId":6,"currentShardId":7,"goalShardCount":8,"currentShardCount":9})")
           ->as_object(),
       info);
  ShardInfo again(name("abc"));
  read(to_json(info), again);
  EXPECT_EQ(again, info);
  EXPECT_EQ(again.current.count, ShardCount{9});
}

TEST(Attempts, AreExhaustedWithinTheWindowAndFreeAfterIt) {
  Attempts attempts;
  for (int i = 0; i < 5; ++i) {
    EXPECT_FALSE(attempts.exhausted("a", 5, Millis{10'000}, Instant{} + Millis{i}));
    attempts.count("a", Instant{} + Millis{i});
  }
  EXPECT_TRUE(attempts.exhausted("a", 5, Millis{10'000}, Instant{} + Millis{100}));
  EXPECT_FALSE(attempts.exhausted("b", 5, Millis{10'000}, Instant{} + Millis{100}));
  EXPECT_FALSE(attempts.exhausted("a", 5, Millis{10'000}, Instant{} + Millis{10'000}));
}

TEST(Attempts, WhatIsOverIsForgottenWithLaterAttempts) {
  Attempts attempts;
  for (int i = 0; i < 100; ++i) attempts.count("old " + std::to_string(i), Instant{});
  attempts.count("new", Instant{} + Millis{9'000});
  for (int i = 0; i < 60; ++i) {
    EXPECT_FALSE(attempts.exhausted("other", 5, Millis{10'000}, Instant{} + Millis{10'500}));
  }
  EXPECT_EQ(attempts.size(), 1u);
  EXPECT_TRUE(attempts.exhausted("new", 1, Millis{10'000}, Instant{} + Millis{10'500}));
}

}  // namespace
}  // namespace smaster::fleet
