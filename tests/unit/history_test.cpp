// The statuses of the past: how they are packed, and what is held until it is on disk.
#include "records/history.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "json/json.hpp"
#include "records/import.hpp"
#include "records/status_text.hpp"

namespace smaster::fleet {
namespace {

ShardName named(std::string_view text) { return *ShardName::parse(text); }

Time second(int n) { return from_unix_ms(1'700'000'000'000 + n * 1000); }

/// The n-th of a bot's statuses, 30 seconds after the one before.
ShardStatus status_of(int n) {
  ShardStatus status;
  status.start_time = second(0);
  status.timestamp = second(30 * n) - Millis{n % 7};
  status.goal = status.current = {ShardId{731}, ShardCount{1000}};
  status.time_delta = 30'000 + n % 13;
  status.message_count_delta = 800 + n * 37 % 400;
  status.message_count_total = 1e6 + n * 900;
  status.mem_heap_used = 2e8 + static_cast<double>(n * 7'654'321L % 50'000'000);
  status.mem_heap_total = 3e8;
  status.mem_rss = 4e8 + static_cast<double>(n * 1'234'567L % 80'000'000);
  status.mem_external = 5e6 + n * 1013 % 9000;
  status.cpu_load = {0.25, 1.0 / (n + 1), 0.5, 0.125};
  status.ping = 40.5 + n % 30;
  return status;
}

std::string text(const ShardStatus& status) {
  auto object = to_json(status);
  object.erase("cpus");
  return json::serialize(object);
}

std::vector<SampleBlock> blocks_of(int statuses) {
  std::vector<SampleBlock> blocks;
  OpenBlock open(named("abc"));
  for (int n = 0; n < statuses; ++n) {
    if (auto full = open.add(second(30 * n), status_of(n))) blocks.push_back(std::move(*full));
  }
  blocks.push_back(open.block(false));
  return blocks;
}

TEST(Samples, KeepTheirFigures) {
  ShardStatus status;
  ASSERT_TRUE(read_status(
      R"({"startTime":1700000000000,"stopTime":5,"goalShardId":3,"currentShardId":-1,"goalShardCount":8,
          "currentShardCount":4,"timestamp":1700000001234,"timeDelta":30000,"messageCountDelta":17,
          "messageCountTotal":9007199254740991,"memHeapUsed":1,"memHeapTotal":2,"memRSS":3,"memExternal":4,
          "cpuLoad":[0.25,1],"ping":42.5,"storageUsedTotal":5,"storageUsedUsers":6})",
      status));
  OpenBlock open(named("abc"));
  open.add(second(7), status);
  open.add(second(8), {});
  const auto samples = unpack(open.block(false).packed);
  ASSERT_EQ(samples.size(), 2u);
  EXPECT_EQ(text(samples[0].status), text(status));
  EXPECT_EQ(samples[0].at, second(7));
  EXPECT_EQ(text(samples[1].status), text(ShardStatus{}));
}

TEST(Samples, KeepHowTheGatewayStoodBesideThoseOfWhichNobodyTells) {
  OpenBlock open(named("abc"));
  const GatewaySample refused{Gateway::refused, 4014, 2, 1'200, 3, 40, 7};
  open.add(second(1), status_of(1));
  open.add(second(2), status_of(2), refused);
  open.add(second(3), ShardStatus{}, GatewaySample{Gateway::running});
  open.add(second(4), status_of(4));
  const auto samples = unpack(open.block(false).packed);
  ASSERT_EQ(samples.size(), 4u);
  EXPECT_EQ(samples[0].gateway, std::nullopt);
  EXPECT_EQ(samples[1].gateway, refused);
  EXPECT_EQ(samples[1].status.cpu_load.size(), status_of(2).cpu_load.size());
  EXPECT_EQ(samples[2].gateway, GatewaySample{Gateway::running});
  EXPECT_EQ(samples[3].gateway, std::nullopt);
  EXPECT_EQ(samples[3].status.mem_rss, status_of(4).mem_rss);
}

TEST(Samples, ADayComesBackFromItsBlocks) {
  constexpr int kDay = 2880;
  const auto blocks = blocks_of(kDay);
  std::size_t bytes = 0;
  for (const auto& block : blocks) {
    EXPECT_LE(block.packed.size(), OpenBlock::kBytes);
    bytes += block.packed.size();
  }
  EXPECT_LT(bytes / kDay, 60u);
  const auto samples = merge(blocks, kNever);
  ASSERT_EQ(samples.size(), std::size_t{kDay});
  for (int n = 0; n < kDay; n += 100) {
    auto expected = status_of(n);
    for (auto& load : expected.cpu_load) load = static_cast<double>(static_cast<float>(load));
    EXPECT_EQ(text(samples[static_cast<std::size_t>(n)].status), text(expected)) << n;
  }
}

TEST(Samples, OfNumbersOutOfRangeDoNoHarm) {
  OpenBlock open(named("abc"));
  ShardStatus status;
  status.timestamp = from_unix_ms(std::numeric_limits<std::int64_t>::min());
  status.ping = std::numeric_limits<double>::infinity();
  status.mem_rss = std::numeric_limits<double>::quiet_NaN();
  status.message_count_total = 8.9e18;
  open.add(second(1), status);
  status.timestamp = from_unix_ms(std::numeric_limits<std::int64_t>::max());
  status.message_count_total = -8.9e18;
  open.add(second(2), status);
  const auto samples = unpack(open.block(false).packed);
  ASSERT_EQ(samples.size(), 2u);
  EXPECT_EQ(samples[1].status.timestamp, status.timestamp);
  EXPECT_EQ(samples[1].status.message_count_total, -8.9e18);
}

TEST(Samples, LargerThanABlockGetOneOfTheirOwn) {
  OpenBlock open(named("abc"));
  auto status = status_of(0);
  EXPECT_FALSE(open.add(second(1), status));
  status.cpu_load.assign(1024, 0.5);
  EXPECT_TRUE(open.add(second(2), status));
  EXPECT_TRUE(open.add(second(3), status_of(1)));
  EXPECT_EQ(unpack(open.block(false).packed).size(), 1u);
}

TEST(Samples, TruncatedBytesGiveThoseBefore) {
  const auto packed = blocks_of(3).front().packed;
  std::size_t most = 0;
  for (std::size_t size = 0; size < packed.size(); ++size) {
    const auto some = unpack(std::string_view(packed).substr(0, size)).size();
    EXPECT_LE(most, some);
    most = some;
  }
  EXPECT_EQ(most, 2u);
}

TEST(Samples, TwoInOneMillisecondStayTwo) {
  OpenBlock open(named("abc"));
  open.add(second(5), {});
  open.add(second(5), {});
  open.add(second(4), {});
  const auto samples = merge({open.block(false)}, kNever);
  ASSERT_EQ(samples.size(), 3u);
  EXPECT_EQ(samples[2].at, second(5) + Millis{2});
}

TEST(Samples, MergedBlocksAreInOrderAndEachMomentOnce) {
  auto blocks = blocks_of(100);
  const auto all = merge(blocks, kNever).size();
  std::swap(blocks.front(), blocks.back());
  blocks.push_back(blocks.front());
  const auto samples = merge(blocks, kNever);
  EXPECT_EQ(samples.size(), all);
  EXPECT_TRUE(std::is_sorted(samples.begin(), samples.end(), [](auto& a, auto& b) { return a.at < b.at; }));
  EXPECT_EQ(merge(blocks, second(30 * 89)).size(), 10u);
}

TEST(History, HandsOutWhatHasGrown) {
  History history;
  history.add(history.of(named("abc")), status_of(0), second(1));
  auto blocks = history.take_unsaved();
  ASSERT_EQ(blocks.size(), 1u);
  EXPECT_FALSE(blocks.front().full);
  EXPECT_TRUE(history.take_unsaved().empty());
  history.put_back(std::move(blocks));
  EXPECT_EQ(history.take_unsaved().size(), 1u);
  history.add(history.of(named("abc")), status_of(1), second(31));
  blocks = history.take_unsaved();
  ASSERT_EQ(blocks.size(), 1u);
  EXPECT_EQ(unpack(blocks.front().packed).size(), 2u) << "an open block has all of it";
}

TEST(History, AFullBlockComesBeforeTheOneAfterIt) {
  History history;
  for (int n = 0; n < 60; ++n) history.add(history.of(named("abc")), status_of(n), second(30 * n));
  const auto blocks = history.take_unsaved();
  ASSERT_EQ(blocks.size(), 3u);
  EXPECT_TRUE(blocks[0].full && blocks[1].full && !blocks[2].full);
  EXPECT_LT(blocks[0].last, blocks[1].first);
  EXPECT_EQ(merge(blocks, kNever).size(), 60u);
}

TEST(History, WhatCannotBeWrittenStaysWithItsShard) {
  History history;
  for (int n = 0; n < 60; ++n) history.add(history.of(named("abc")), status_of(n), second(30 * n));
  history.add(history.of(named("abd")), status_of(0), second(0));
  auto blocks = history.take_unsaved();
  for (int n = 60; n < 90; ++n) history.add(history.of(named("abc")), status_of(n), second(30 * n));
  history.put_back(std::move(blocks));
  EXPECT_EQ(merge(history.held(named("abc")), kNever).size(), 90u);
  blocks = history.take_unsaved();
  std::erase_if(blocks, [](const SampleBlock& block) { return block.shard == named("abd"); });
  EXPECT_EQ(merge(blocks, kNever).size(), 90u);
  history.put_back(std::move(blocks));
  history.forget(named("abc"));
  EXPECT_TRUE(history.held(named("abc")).empty());
  EXPECT_TRUE(history.take_unsaved().empty());
}

TEST(History, ADiskThatTakesNothingForLongLosesTheOldest) {
  History history;
  std::vector<SampleBlock> blocks(History::kMaxUnsaved + 10, {named("abc"), second(1), second(2), "x", true});
  blocks.front().packed = "old";
  history.add(history.of(named("abc")), {}, second(3));
  history.put_back(std::move(blocks));
  const auto kept = history.take_unsaved();
  EXPECT_EQ(kept.size(), History::kMaxUnsaved + 1);
  EXPECT_EQ(kept.front().packed, "x");
}

TEST(History, HandsOutSomeShardsBlocksAtATime) {
  History history;
  for (const auto* const shard : {"abc", "abd", "abe"}) history.add(history.of(named(shard)), {}, second(1));
  EXPECT_EQ(history.take_unsaved(2).size(), 2u);
  EXPECT_EQ(history.grown(), 1u);
  history.add(history.of(named("abc")), {}, second(2));
  const auto rest = history.take_unsaved(2);
  ASSERT_EQ(rest.size(), 2u);
  EXPECT_EQ(rest.front().shard, named("abe"));
  EXPECT_EQ(unpack(rest.back().packed).size(), 2u) << "of one that has grown again all of it";
  EXPECT_TRUE(history.take_unsaved().empty());
}

}  // namespace
}  // namespace smaster::fleet
