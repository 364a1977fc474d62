// What operators and shards ask for, as text: reboots, conditions, templates, SQL results.
#include <gtest/gtest.h>

#include <boost/json/object.hpp>

#include "control/shard_filter.hpp"
#include "json/json.hpp"
#include "server/metrics/metrics.hpp"
#include "server/requests/mail.hpp"
#include "server/requests/reboot.hpp"
#include "sql/rows.hpp"
#include "wire/shard/file_event.hpp"

namespace smaster {
namespace {

using server::parse_reboot;
using server::Reboot;

TEST(Reboots, AreTheOriginalsWords) {
  EXPECT_EQ(parse_reboot("reboot")->what, Reboot::What::bots);
  EXPECT_FALSE(parse_reboot("reboot")->ids);
  EXPECT_EQ(parse_reboot("reboot force")->what, Reboot::What::programs);
  EXPECT_EQ(parse_reboot("reboot hard")->what, Reboot::What::all);
  EXPECT_EQ(parse_reboot("reboot hard force")->what, Reboot::What::all);
  EXPECT_EQ(parse_reboot("reboot master")->what, Reboot::What::master);
  const auto some = parse_reboot("reboot 3  7 force");
  ASSERT_TRUE(some);
  EXPECT_EQ(some->what, Reboot::What::programs);
  EXPECT_EQ(*some->ids, (std::vector<ShardId>{ShardId{3}, ShardId{7}}));
  for (const char* const text :
       {"", " ", "rebooting", "reboot x", "reboot -1", "reboot 99999999999", "reboot hard 3",
        "reboot master 3", "reboot master force", "reboot 3 hard"}) {
    EXPECT_FALSE(parse_reboot(text)) << text;
  }
}

bool fulfils(const char* row, const char* where) {
  const auto conditions = control::parse_where(where);
  return conditions && control::fulfils(json::parse(row)->as_object(), *conditions);
}

TEST(Where, ComparesNumbersAsNumbersAndTextsAsTexts) {
  const char* const row =
      R"({"id":"abc","state":"silent","connected":true,"address":null,"n":10,"stats":{"ping":9.5}})";
  for (const char* const where :
       {"state=silent", "name=abc", "n=10.0", "n>9", "n>=10", "n<=10", "n!=9", "connected=true",
        "address=null", "stats.ping<10", " state = silent , n<11", "state!=running"}) {
    EXPECT_TRUE(fulfils(row, where)) << where;
  }
  for (const char* const where : {"state=silen", "n=1", "n<10", "n>10", "state>1", "stats.ping=9",
                                  "stats.none=1", "n.x=1", "state=silent,n=9", "state<silent"}) {
    EXPECT_FALSE(fulfils(row, where)) << where;
  }
  for (const char* const where : {"", ",", "state", "=x", "<3"})
    EXPECT_FALSE(control::parse_where(where)) << where;
}

TEST(Templates, ReplaceWhatIsKnown) {
  EXPECT_EQ(server::fill("{id}: {x} {{id}} {id", {{"id", "abc"}}), "abc: {x} {abc} {id");
  EXPECT_EQ(server::fill("{id}", {{"id", "{id}"}}), "{id}") << "values are not looked at again";
}

TEST(Templates, WhatShardsSaidIsHarmlessWhereItStands) {
  const std::map<std::string, std::string> said{{"text", "it ended\nBcc: evil@example.org\n.\n--part"}};
  EXPECT_EQ(
      server::fill("Subject: {text}\n\n{text}\n", {}, said),
      "Subject: it ended Bcc: evil@example.org . --part\n\nit ended\nBcc: evil@example.org\n .\n --part\n");
  EXPECT_EQ(server::fill("{text}", {}, said), "it ended Bcc: evil@example.org . --part")
      << "no empty line: it may all be a header";
  EXPECT_EQ(server::fill("{pem}", {{"pem", "--a\nb"}}, said), "--a\nb") << "what is ours is as it is";
}

TEST(SqlRows, KeepTypes) {
  sql::Rows rows({}, {"a", "b", "a", "c"});
  rows.begin();
  rows.integer(1);
  rows.integer(-(1ll << 53));
  rows.number("2.50");
  rows.blob(std::string_view("\0\xff", 2));
  ASSERT_TRUE(rows.end());
  rows.begin();
  rows.null();
  rows.unsigned_integer(UINT64_MAX);
  rows.real(0.1);
  rows.text("\xff\"");
  ASSERT_TRUE(rows.end());
  const auto outcome = rows.take();
  EXPECT_EQ(outcome.json, R"([{"b":"-9007199254740992","a":2.50,"c":{"_placeholder":true,"num":0}},)"
                          "{\"b\":\"18446744073709551615\",\"a\":0.1,\"c\":\"\xef\xbf\xbd\\\"\"}]");
  EXPECT_EQ(json::parse(outcome.with_base64())->as_array()[0].at("c"), "AP8=");
}

TEST(SqlRows, EndAtTheLimit) {
  sql::Limits limits;
  limits.max_rows = 1;
  sql::Rows rows(limits, {});
  rows.begin();
  EXPECT_TRUE(rows.end());
  rows.begin();
  EXPECT_FALSE(rows.end());
}

TEST(SqlRows, TimesAreIso8601) {
  EXPECT_EQ(sql::iso_time("2024-01-02 03:04:05.6", false), "2024-01-02T03:04:05.6");
  EXPECT_EQ(sql::iso_time("2024-01-02 03:04:05+00", true), "2024-01-02T03:04:05Z");
  EXPECT_EQ(sql::iso_time("2024-01-02", true), "2024-01-02");
  EXPECT_EQ(sql::iso_time("infinity", true), "infinity");
  EXPECT_EQ(sql::iso_time("0044-03-15 12:00:00+00 BC", true), "0044-03-15 12:00:00+00 BC");
}

TEST(FileEvents, AreReadInEachForm) {
  using What = wire::FileEvent::What;
  const auto read = [](std::vector<std::string_view> json, std::vector<std::string> attachments = {}) {
    return wire::read_file_event({std::move(json), std::move(attachments)});
  };
  EXPECT_EQ(read({R"("f")", R"("text")"})->data, "text");
  EXPECT_EQ(read({R"({"filename":"f","mtime":5})", R"({"_placeholder":true,"num":0})"}, {"bytes"})->data,
            "bytes");
  EXPECT_EQ(read({R"("f")", "null"})->what, What::remove);
  EXPECT_EQ(read({R"("f")"})->what, What::remove);
  EXPECT_EQ(read({R"({"filename":"f","mtime":5})", "null"})->what, What::keep);
  EXPECT_FALSE(read({}));
  EXPECT_FALSE(read({"7", "null"}));
  EXPECT_FALSE(read({R"("f")", "[1]"}));
}

TEST(Metrics, HistogramsAreCumulative) {
  server::Histogram histogram;
  histogram.add(std::chrono::milliseconds(2));
  histogram.add(std::chrono::seconds(60));
  const auto text = histogram.text("x");
  EXPECT_NE(text.find("smaster_x_bucket{le=\"0.001\"} 0\n"), std::string::npos);
  EXPECT_NE(text.find("smaster_x_bucket{le=\"0.0025\"} 1\n"), std::string::npos);
  EXPECT_NE(text.find("smaster_x_bucket{le=\"15\"} 1\n"), std::string::npos);
  EXPECT_NE(text.find("smaster_x_bucket{le=\"+Inf\"} 2\n"), std::string::npos);
}

}  // namespace
}  // namespace smaster
