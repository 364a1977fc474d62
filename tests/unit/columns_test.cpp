// The columns in which shards are shown.
#include "control/columns.hpp"

#include <gtest/gtest.h>

#include <boost/json/array.hpp>

#include "control/shard_filter.hpp"
#include "json/json.hpp"

namespace smaster::control {
namespace {

constexpr std::int64_t kColumnsNow = 1'700'000'100'000;

boost::json::object agents_fleet() {
  return json::parse(R"({"shards":[
    {"id":"aaa","state":"running","isMaster":false,"goalShardId":2,"lastSeen":1700000098000,"lastHeartbeat":1700000098000,"address":"203.0.113.17","host":"fra1",
     "stats":{"memRSS":104857600,"cpuLoad":[0.5,0.1],"ping":42,"messageCountTotal":123456,
              "bot":{"deaths":3,"cpu":0.07,"lastExit":"exit 1","ready":true,"gateways":[{"id":2,"state":"ready","code":0}]}}},
    {"id":"bbb","state":"disconnected","isMaster":false,"goalShardId":0,"goalShardIds":[0,1],"lastSeen":1700000098000,"lastHeartbeat":1700000098000,"address":"203.0.113.18","host":"fra2",
     "stats":{"memRSS":104857600,"cpuLoad":[0.5,0.1],"ping":-1,"messageCountTotal":-1,
              "bot":{"deaths":0,"cpu":-1,"lastExit":"","nextStartIn":12000,"gateways":[{"id":0,"state":"refused","code":4014},{"id":1,"state":"ready","code":0}]}}},
    {"id":"mmm","state":"running","isMaster":true,"goalShardId":-1,"lastSeen":0,"address":null,"stats":null}]})")
      ->as_object();
}

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

std::string usual_heading(std::size_t width) {
  auto heading = first_line(render(usual_table(agents_fleet(), kColumnsNow), {width, false}));
  heading.erase(heading.find_last_not_of(' ') + 1);
  return heading;
}

TEST(Columns, TheUsualOnesFitTheTerminalWithTheMostUsefulFirst) {
  EXPECT_EQ(usual_heading(80), "SHARD   NAME  STATE         HOST  PING   CPU  MEMORY     DEATHS  LAST EXIT");
  EXPECT_EQ(usual_heading(120),
            "SHARD   NAME  STATE         HOST  LOGIN         SEEN     PING   CPU  MEMORY     MESSAGES  "
            "DEATHS  LAST "
            "EXIT  NEXT START");
  EXPECT_EQ(
      usual_heading(200),
      "SHARD   NAME  STATE         HOST  LOGIN         SEEN     PING   CPU  MEMORY     MESSAGES  DEATHS "
      " LAST EXIT  "
      "NEXT START  ADDRESS");
  for (const std::size_t width : {10, 20, 40, 60, 80, 120, 200}) {
    const auto table = render(usual_table(agents_fleet(), kColumnsNow), {width, false});
    for (std::size_t at = 0; at < table.size(); at = table.find('\n', at) + 1) {
      EXPECT_LE(length(first_line(table.substr(at))), width) << table;
    }
  }
}

TEST(Columns, ThoseOfAgentsAreLeftOutWhereThereIsNone) {
  auto stats =
      json::parse(
          R"({"shards":[{"id":"aaa","state":"running","isMaster":false,"goalShardId":0,"lastSeen":1,"address":null,"stats":null}]})")
          ->as_object();
  EXPECT_EQ(first_line(render(usual_table(stats, 1), {})),
            "SHARD  NAME  STATE    SEEN     PING  CPU  MEMORY  MESSAGES  DEATHS  ADDRESS");
}

TEST(Columns, AreChosenInAnyOrderForPeopleAndPrograms) {
  const auto columns = parse_columns("name, login,next_start,shard,memory,host_cpu,bot_ready");
  ASSERT_TRUE(columns);
  const auto stats = agents_fleet();
  EXPECT_EQ(render(columns_table(stats, *columns, kColumnsNow), {}),
            "NAME  LOGIN         NEXT START  SHARD   MEMORY     HOST CPU  BOT READY\n"
            "aaa   ready         -           2       100.0 MiB  30 %      yes\n"
            "bbb   1 of 2 ready  in 10 s     0,1     100.0 MiB  30 %      -\n"
            "mmm   -             -           master  -          -         -\n");
  EXPECT_EQ(columns_csv(stats, *columns),
            "name,login,next_start,shard,memory,host_cpu,bot_ready\r\n"
            "aaa,ready,,2,104857600,0.3,true\r\n"
            "bbb,1 of 2 ready,1700000110000,\"0,1\",104857600,0.3,\r\n"
            "mmm,,,master,,,\r\n");
}

TEST(Columns, UnknownOnesAreNamedWithThoseThatThereAre) {
  const auto wrong = parse_columns("name,colour");
  ASSERT_FALSE(wrong);
  EXPECT_NE(wrong.error().message.find("no column \"colour\"; there are: shard, name, state, host"),
            std::string::npos);
  EXPECT_FALSE(parse_columns(""));
  EXPECT_FALSE(parse_columns(","));
  for (const auto name : csv_columns()) EXPECT_TRUE(parse_columns(name)) << name;
}

TEST(Columns, TheStateOfALoginIsThatOfItsGateways) {
  const auto state = [](const char* bot) {
    return login_state(json::parse(std::string(R"({"stats":{"bot":)") + bot + "}}")->as_object());
  };
  EXPECT_EQ(state("{}"), "");
  EXPECT_EQ(state(R"({"ready":true})"), "ready");
  EXPECT_EQ(state(R"({"ready":false,"gateways":[]})"), "not ready");
  EXPECT_EQ(state(R"({"gateways":[{"state":"waiting"}]})"), "waiting");
  EXPECT_EQ(state(R"({"gateways":[{"state":"refused","code":4014}]})"), "refused (4014)");
  EXPECT_EQ(state(R"({"gateways":[{"state":"ready"},{"state":"ready"}]})"), "ready");
  EXPECT_EQ(login_state({}), "");
}

TEST(Columns, ABotThatDoesNotRunHasNoMemory) {
  auto stats = agents_fleet();
  stats.at("shards").as_array()[0].as_object()["stats"].as_object()["memRSS"] = 0;
  EXPECT_EQ(columns_csv(stats, {"name", "memory"}), "name,memory\r\naaa,\r\nbbb,104857600\r\nmmm,\r\n");
}

TEST(Columns, ABotThatIsParkedStartsWhenThatIsOver) {
  EXPECT_EQ(
      next_start(json::parse(R"({"parkedUntil":50,"lastHeartbeat":10,"stats":{"bot":{"nextStartIn":5}}})")
                     ->as_object()),
      50);
  EXPECT_EQ(next_start(json::parse(R"({"lastHeartbeat":10,"stats":{"bot":{"nextStartIn":5}}})")->as_object()),
            15);
  EXPECT_EQ(next_start(json::parse(R"({"lastHeartbeat":10,"stats":{"bot":{"nextStartIn":0}}})")->as_object()),
            0);
}

TEST(Columns, HostsAndConditionsSelectShards) {
  auto stats = agents_fleet();
  ASSERT_TRUE(keep_where(stats, *parse_where("stats.ping>0")));
  EXPECT_EQ(stats.at("shards").as_array().size(), 1U);
  stats = agents_fleet();
  ASSERT_TRUE(keep_host(stats, "fra2"));
  EXPECT_EQ(stats.at("shards").as_array().at(0).at("id"), "bbb");
  stats = agents_fleet();
  const auto nowhere = keep_host(stats, "ams1");
  ASSERT_FALSE(nowhere);
  EXPECT_EQ(nowhere.error().message, "no shard is on a host \"ams1\"; hosts with shards: fra1, fra2");
  EXPECT_FALSE(keep_host(stats, "")) << "an unset shell variable is no host";
  EXPECT_FALSE(keep_where(stats, *parse_where("colour=red")));
}

}  // namespace
}  // namespace smaster::control
