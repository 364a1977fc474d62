#include "control/select.hpp"

#include <gtest/gtest.h>

#include <boost/json/array.hpp>

#include "json/json.hpp"

namespace smaster::control {
namespace {

boost::json::object fleet() {
  return json::parse(R"({"shards":[
    {"id":"aaa","state":"running","isMaster":false,"goalShardId":2,"lastSeen":30,"stats":{"memRSS":10,"cpuLoad":[0.5,0.1],"ping":-1,"bot":{"deaths":3}}},
    {"id":"mmm","state":"running","isMaster":true,"goalShardId":-1,"lastSeen":1},
    {"id":"bbb","state":"silent","isMaster":false,"goalShardId":0,"goalShardIds":[0,1],"lastSeen":10,"stats":{"memRSS":30,"cpuLoad":[0.9],"ping":20}},
    {"id":"ccc","state":"dead","isMaster":false,"goalShardId":-1,"lastSeen":20,"stats":{"memRSS":20,"cpuLoad":[],"ping":40}}]})")
      ->as_object();
}

std::string names(const boost::json::object& stats) {
  std::string all;
  for (const auto& shard : stats.at("shards").as_array()) all += shard.as_object().at("id").as_string()[0];
  return all;
}

std::string sorted(std::string_view key, bool reverse = false) {
  auto stats = fleet();
  sort_shards(stats, key, reverse);
  return names(stats);
}

TEST(Select, SortsByEveryKeyAndPutsWhatIsNotKnownLast) {
  EXPECT_EQ(sorted("shard"), "bacm");
  EXPECT_EQ(sorted("shard", true), "mcab");
  EXPECT_EQ(sorted("name"), "abcm");
  EXPECT_EQ(sorted("name", true), "mcba");
  EXPECT_EQ(sorted("state"), "camb");
  EXPECT_EQ(sorted("seen"), "acbm");
  EXPECT_EQ(sorted("memory"), "bcam");
  EXPECT_EQ(sorted("memory", true), "acbm");
  EXPECT_EQ(sorted("cpu"), "bacm");
  EXPECT_EQ(sorted("ping"), "cbam");
  EXPECT_EQ(sorted("ping", true), "bcam");
  EXPECT_EQ(sorted("deaths"), "abcm");
  for (const auto key : sort_keys()) EXPECT_EQ(sorted(key).size(), 4) << key;
}

TEST(Select, TroubleIsFirstAnIdThatNothingServes) {
  auto stats = json::parse(R"({"shards":[
    {"id":"aaa","state":"running","isMaster":false,"goalShardId":0},
    {"id":"bbb","state":"offline","isMaster":false,"goalShardId":1},
    {"id":"ccc","state":"dead","isMaster":false,"goalShardId":-1},
    {"id":"ddd","state":"running","isMaster":false,"goalShardId":2,"duplicate":true,"duplicateAddress":"10.0.0.9"},
    {"id":"eee","state":"dead","isMaster":false,"goalShardId":3},
    {"id":"fff","state":"dead","isMaster":false,"goalShardId":-1,"left":true},
    {"id":"ggg","state":"queued","isMaster":false,"goalShardId":4},
    {"id":"hhh","state":"offline","isMaster":false,"goalShardId":5}]})")
                   ->as_object();
  sort_shards(stats, "trouble", false);
  EXPECT_EQ(names(stats), "ebhdcgfa");
  std::string troubled;
  for (const auto& shard : stats.at("shards").as_array()) {
    if (severity(shard.as_object()) >= kTrouble) troubled += shard.as_object().at("id").as_string()[0];
  }
  EXPECT_EQ(troubled, "ebhdc");
}

TEST(Select, KeepsShardsByIdAndState) {
  auto stats = fleet();
  keep_shards(stats, {1, 2});
  EXPECT_EQ(names(stats), "ab");
  keep_states(stats, {"silent", "dead"});
  EXPECT_EQ(names(stats), "b");
}

}  // namespace
}  // namespace smaster::control
