#include <gtest/gtest.h>

#include "fleet/attempts.hpp"
#include "fleet/history.hpp"
#include "fleet/shard_info.hpp"
#include "fleet/status_text.hpp"
#include "json/json.hpp"

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
  (void)unpack(pack(status));
}

TEST(ShardStatus, PackedSamplesKeepTheirFigures) {
  ShardStatus status;
  read_text(R"({"startTime":1700000000000,"stopTime":5,"goalShardId":3,"currentShardId":-1,"goalShardCount":8,
                "currentShardCount":4,"timestamp":1700000001234,"timeDelta":30000,"messageCountDelta":17,
                "messageCountTotal":9007199254740991,"memHeapUsed":1,"memHeapTotal":2,"memRSS":3,"memExternal":4,
                "cpuLoad":[0.25,1],"ping":42.5,"storageUsedTotal":5,"storageUsedUsers":6})",
            status);
  auto expected = to_json(status);
  expected.erase("cpus");
  auto packed = to_json(unpack(pack(status)));
  packed.erase("cpus");
  EXPECT_EQ(json::serialize(packed), json::serialize(expected));
  EXPECT_LT(pack(status).size(), 80u);
}

TEST(ShardStatus, TruncatedSamplesGiveWhatTheyHold) {
  ShardStatus status;
  status.timestamp = from_unix_ms(1'700'000'000'000);
  const auto packed = pack(status);
  for (std::size_t size = 0; size < packed.size(); ++size)
    (void)unpack(std::string_view(packed).substr(0, size));
  EXPECT_EQ(unpack(std::string_view(packed).substr(0, 6)).timestamp, status.timestamp);
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

TEST(History, KeepsWhatIsWithinItsLength) {
  History history;
  ShardStatus status;
  for (int second = 0; second < 10; ++second) {
    status.ping = second;
    history.add(name("abc"), status, from_unix_ms(second * 1000), Millis{4000});
  }
  std::vector<double> pings;
  history.each(name("abc"), from_unix_ms(6000), [&](const ShardStatus& s) { pings.push_back(s.ping); });
  EXPECT_EQ(pings, (std::vector<double>{7, 8, 9}));
  pings.clear();
  history.each(name("abc"), kNever, [&](const ShardStatus& s) { pings.push_back(s.ping); });
  EXPECT_EQ(pings, (std::vector<double>{5, 6, 7, 8, 9}));
}

TEST(History, HandsOutNewSamplesOnceAndTakesThemBack) {
  History history;
  history.add(name("abc"), {}, from_unix_ms(1), Millis{1000});
  auto samples = history.take_unsaved();
  EXPECT_EQ(samples.size(), 1u);
  EXPECT_TRUE(history.take_unsaved().empty());
  history.put_back(std::move(samples));
  EXPECT_EQ(history.take_unsaved().size(), 1u);
}

TEST(History, TwoSamplesInOneMillisecondStayTwo) {
  History history;
  history.add(name("abc"), {}, from_unix_ms(5), Millis{1000});
  history.add(name("abc"), {}, from_unix_ms(5), Millis{1000});
  const auto samples = history.take_unsaved();
  ASSERT_EQ(samples.size(), 2u);
  EXPECT_NE(samples[0].at, samples[1].at);
}

TEST(History, RestoredSamplesComeBeforeNewerOnes) {
  History history;
  ShardStatus status;
  status.ping = 2;
  history.add(name("abc"), status, from_unix_ms(2), Millis{1000});
  status.ping = 1;
  history.restore({name("abc"), from_unix_ms(1), pack(status)});
  std::vector<double> pings;
  history.each(name("abc"), kNever, [&](const ShardStatus& s) { pings.push_back(s.ping); });
  EXPECT_EQ(pings, (std::vector<double>{1, 2}));
  EXPECT_EQ(history.take_unsaved().size(), 1u) << "what was restored is on disk already";
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

TEST(Attempts, PruningForgetsOnlyWhatIsOver) {
  Attempts attempts;
  attempts.count("old", Instant{});
  attempts.count("new", Instant{} + Millis{9'000});
  attempts.prune(Millis{10'000}, Instant{} + Millis{10'500});
  EXPECT_EQ(attempts.size(), 1u);
}

}  // namespace
}  // namespace smaster::fleet
