#include "agent/bot/logins.hpp"

#include <gtest/gtest.h>

#include "agent/bot/identify_server.hpp"

namespace smaster::agent {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// What Logins asked of the agent, a word each.
struct Heard final : LoginSink {
  std::vector<std::string> lines, asked, told;
  void login_line(std::string line) override { lines.push_back(std::move(line)); }
  void ask_master(ShardId id, std::uint64_t ask) override {
    asked.push_back(std::to_string(id.value) + '#' + std::to_string(ask));
  }
  void tell_master(std::string_view event, ShardId id, std::uint64_t ask, Millis ago) override {
    if (event == "asks") return;
    told.push_back(std::string(event) + ' ' + std::to_string(id.value) + '#' + std::to_string(ask) + ' ' +
                   std::to_string(ago.count()));
  }
  void logins_changed() override {}
  void login_foreign(ShardId) override {}
};

struct AskedByHttp : testing::Test {
  Heard heard;
  Logins logins{heard};
  Instant now{seconds(1000)};
  std::vector<std::string> answers;  ///< "1: may", "7: shard 7 is not this process's"
  AskedByHttp() { logins.started({ShardId{1}, ShardId{3}}); }
  Logins::Ticket ask(std::optional<int> id) {
    return logins.ask(
        id ? std::optional(ShardId{*id}) : std::nullopt,
        [this, id](const std::string& refusal) {
          answers.push_back(std::to_string(id.value_or(-1)) + ": " + (refusal.empty() ? "may" : refusal));
        },
        now);
  }
  void permit(int id, std::uint64_t ask) { logins.answered(ShardId{id}, ask, Millis{0}, "", now); }
  using Texts = std::vector<std::string>;
};

TEST_F(AskedByHttp, IsAnsweredWithThePermitAndTakenForSentTwoSecondsLater) {
  const auto ticket = ask(1);
  EXPECT_TRUE(logins.asks());
  EXPECT_EQ(heard.asked, Texts{"1#1"});
  EXPECT_TRUE(answers.empty());
  permit(1, 1);
  EXPECT_EQ(answers, Texts{"1: may"});
  EXPECT_TRUE(heard.told.empty());
  logins.delivered(ticket, now);
  EXPECT_EQ(logins.deadline(), now + kHttpUse);
  logins.tick(now + milliseconds(1999));
  EXPECT_TRUE(heard.told.empty()) << "it may connect first";
  logins.tick(now + kHttpUse);
  EXPECT_EQ(heard.told, Texts{"sent 1#1 0"});
  EXPECT_EQ(logins.deadline(), std::nullopt);
  EXPECT_TRUE(heard.lines.empty());
}

TEST_F(AskedByHttp, WhoDoesNotWaitTakesItsQuestionBack) {
  const auto ticket = ask(1);
  logins.withdraw(ticket);
  EXPECT_EQ(heard.told, Texts{"cancel 1#1 0"});
  permit(1, 1);  // it was under way
  EXPECT_TRUE(answers.empty());
  EXPECT_EQ(heard.told.back(), "cancel 1#1 0");
}

TEST_F(AskedByHttp, APermitThatDoesNotArriveIsGivenBack) {
  const auto ticket = ask(1);
  permit(1, 1);
  logins.withdraw(ticket);
  EXPECT_EQ(heard.told, Texts{"cancel 1#1 0"});
  logins.withdraw(ticket);
  EXPECT_EQ(heard.told.size(), 1u);
}

TEST_F(AskedByHttp, AnIdOfAnotherProcessIsRefused) {
  (void)ask(7);
  EXPECT_EQ(answers, Texts{"7: shard 7 is not this process's"});
  EXPECT_TRUE(heard.asked.empty());
  EXPECT_FALSE(logins.asks());
}

TEST_F(AskedByHttp, TheMastersRefusalIsTheAnswer) {
  (void)ask(1);
  logins.answered(ShardId{1}, 1, Millis{0}, "shard 1 is not to run here", now);
  EXPECT_EQ(answers, Texts{"1: shard 1 is not to run here"});
  EXPECT_EQ(logins.ready(), std::nullopt);
}

TEST_F(AskedByHttp, OneThatEndsMayHaveSentIt) {
  const auto ticket = ask(1);
  permit(1, 1);
  logins.delivered(ticket, now);
  logins.ended(true);
  EXPECT_EQ(heard.told, (Texts{"sent 1#1 0", "died -1#0 0"}));
}

TEST_F(AskedByHttp, TheIdMayBeLeftOutWhereThereIsOne) {
  (void)ask(std::nullopt);
  EXPECT_EQ(answers, Texts{"-1: which shard? This process has several: name one with ?shard=N"});
  logins.started({ShardId{3}});
  (void)ask(std::nullopt);
  EXPECT_EQ(heard.asked, Texts{"3#1"});
}

TEST_F(AskedByHttp, AskingAgainReplacesTheEarlierQuestion) {
  const auto first = ask(1);
  const auto second = ask(1);
  EXPECT_EQ(answers, Texts{"1: shard 1 was asked for again since"});
  logins.withdraw(first);
  EXPECT_TRUE(heard.told.empty()) << "the second one still waits";
  permit(1, 2);
  EXPECT_EQ(answers.back(), "1: may");
  logins.delivered(second, now);
  logins.tick(now + kHttpUse);
  EXPECT_EQ(heard.told, Texts{"sent 1#2 0"});
}

TEST_F(AskedByHttp, AQuestionWaitsForAMasterAndIsAskedAnew) {
  (void)ask(1);
  logins.connected(now + seconds(5));
  EXPECT_EQ(heard.asked, (Texts{"1#1", "1#2"}));
  logins.tick(now + seconds(40));
  EXPECT_EQ(heard.asked.back(), "1#3");
}

TEST_F(AskedByHttp, ItIsTakenForReadyAfterItsPermitsUnlessTheBotSaysMore) {
  EXPECT_EQ(logins.ready(), std::nullopt);
  const auto one = ask(1);
  EXPECT_EQ(logins.ready(), false) << "it waits for its login";
  permit(1, 1);
  logins.delivered(one, now);
  EXPECT_EQ(logins.ready(), std::nullopt) << "the other one has not asked";
  const auto other = ask(3);
  permit(3, 2);
  logins.delivered(other, now);
  EXPECT_EQ(logins.ready(), false);
  logins.tick(now + kHttpUse);
  EXPECT_EQ(logins.ready(), true) << "as far as is known";
  for (const int id : {1, 3}) {
    const auto line = R"({"_sGateway":{"event":"ready","shard":)" + std::to_string(id) + "}}";
    EXPECT_TRUE(logins.receive(line, now));
  }
  EXPECT_EQ(logins.ready(), true) << "it says so";
  const auto again = ask(1);
  EXPECT_EQ(logins.ready(), false);
  permit(1, 3);
  logins.delivered(again, now);
  EXPECT_EQ(logins.gateways(now).front().state, "logging in");
  EXPECT_EQ(logins.gateways(now).front().logins, 1);
}

TEST_F(AskedByHttp, NobodyIsAnsweredForAProcessThatHasEnded) {
  const auto ticket = ask(1);
  logins.ended(true);
  logins.started({ShardId{1}});
  permit(1, 1);
  EXPECT_TRUE(answers.empty());
  logins.withdraw(ticket);
  EXPECT_EQ(heard.told, (Texts{"died -1#0 0", "cancel 1#1 0"}));
}

TEST(IdentifyRequest, IsReadFromTheQueryOrTheBody) {
  EXPECT_EQ(parse_identify_request("shard=3", "")->id, ShardId{3});
  EXPECT_EQ(parse_identify_request("a=b&shard=12&c", "")->id, ShardId{12});
  EXPECT_EQ(parse_identify_request("", "")->id, std::nullopt);
  const auto posted = parse_identify_request(
      "", R"({"shard_id":5,"shard_count":8,"max_concurrency":1,"token":"t","token_hash":"h"})");
  EXPECT_EQ(posted->id, ShardId{5});
  EXPECT_EQ(posted->count, ShardCount{8});
  EXPECT_EQ(parse_identify_request("", R"({"shard_id":5,"shard_count":0})")->count, std::nullopt);
}

TEST(IdentifyRequest, WhatNamesNoIdIsNone) {
  for (const auto* const query : {"shard=", "shard=x", "shard=-1", "shard=99999999999", "shard=1.5"}) {
    EXPECT_FALSE(parse_identify_request(query, "")) << query;
  }
  for (const auto* const body :
       {"{", "[3]", "{}", R"({"shard_id":"3"})", R"({"shard_id":-1})", R"({"shard_id":4294967299})"}) {
    EXPECT_FALSE(parse_identify_request("", body)) << body;
  }
}

}  // namespace
}  // namespace smaster::agent
