#include "agent/channel.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace smaster::agent {
namespace {

class Recorder final : public ChannelSink {
 public:
  void to_bot(std::string line) override { lines.push_back(std::move(line)); }
  void bot_state(BotState state) override { states.push_back(state); }
  void bot_request(Request request, std::string reply) override {
    requests.emplace_back(std::move(request), std::move(reply));
  }
  std::vector<std::string> lines;
  std::vector<BotState> states;
  std::vector<std::pair<Request, std::string>> requests;
};

struct ChannelTest : testing::Test {
  Recorder bot;
  Channel channel{bot};
  std::vector<std::string> answers;
  Channel::Answer answer() {
    return
        [this](const Outcome& outcome) { answers.push_back((outcome.ok ? "ok " : "error ") + outcome.json); };
  }
};

TEST_F(ChannelTest, AnEvalIsALineAndItsAnswerComesBackAsWritten) {
  channel.eval("1 + \"a\"", answer());
  EXPECT_EQ(bot.lines, (std::vector<std::string>{R"({"_eval":"1 + \"a\""})"
                                                 "\n"}));
  channel.receive(R"({"_result": {"b": 1.0, "a": 12345678901234567890123}, "_eval": "1 + \u0022a\u0022"})");
  EXPECT_EQ(answers, (std::vector<std::string>{R"(ok {"b": 1.0, "a": 12345678901234567890123})"}));
}

TEST_F(ChannelTest, EqualScriptsAreAnsweredInTheOrderOfAsking) {
  channel.eval("n++", answer());
  channel.eval("n++", answer());
  channel.receive(R"({"_eval":"n++","_result":1})");
  channel.receive(R"({"_eval":"n++","_result":2})");
  channel.receive(R"({"_eval":"n++","_result":3})");
  EXPECT_EQ(answers, (std::vector<std::string>{"ok 1", "ok 2"}));
}

TEST_F(ChannelTest, UndefinedIsNullAndAnErrorIsAnError) {
  channel.eval("a", answer());
  channel.eval("b", answer());
  channel.fetch_prop("c.d", answer());
  channel.receive(R"({"_eval":"a"})");
  channel.receive(R"({"_eval":"b","_error":{"name":"X","message":"y","stack":"z"}})");
  channel.receive(R"({"_fetchProp":"c.d","_error":"only a text"})");
  EXPECT_EQ(answers, (std::vector<std::string>{
                         "ok null", R"(error {"name":"X","message":"y","stack":"z"})",
                         R"(error {"name":"Error","message":"only a text","stack":"Error: only a text"})"}));
}

TEST_F(ChannelTest, WhatDiscordJsSaysOfItsLogin) {
  for (const char* line : {R"({"_ready":true})", R"({"_disconnect":true})", R"({"_reconnecting":true})",
                           R"({"_resume":true})"}) {
    channel.receive(line);
  }
  EXPECT_EQ(bot.states, (std::vector<BotState>{BotState::ready, BotState::disconnected,
                                               BotState::reconnecting, BotState::resumed}));
}

TEST_F(ChannelTest, RepliesCarryTheKeysOfTheQuestion) {
  channel.receive(R"({"_sEval":"x","_sEvalShard":2})");
  channel.receive(R"({"_sFetchProp":"a.b"})");
  channel.receive(R"({"_sSQL":"SELECT 1","_sId":"q1"})");
  channel.receive(R"({"_sRequest":[1],"_sTo":"all","_sId":5,"_sTimeout":100})");
  ASSERT_EQ(bot.requests.size(), 4u);
  EXPECT_EQ(std::get<request::Eval>(bot.requests[0].first).shard, 2);
  EXPECT_EQ(std::get<request::FetchProp>(bot.requests[1].first).shard, std::nullopt);
  const auto& message = std::get<request::Message>(bot.requests[3].first);
  EXPECT_TRUE(message.wants_reply);
  EXPECT_EQ(message.data_json, "[1]");
  EXPECT_EQ(message.timeout, Millis{100});
  for (const auto& [request, reply] : bot.requests) channel.reply(reply, {true, "7"});
  channel.reply(bot.requests[0].second, {false, "{}"});
  EXPECT_EQ(bot.lines, (std::vector<std::string>{"{\"_sEval\":\"x\",\"_sEvalShard\":2,\"_result\":7}\n",
                                                 "{\"_sFetchProp\":\"a.b\",\"_result\":7}\n",
                                                 "{\"_sSQL\":\"SELECT 1\",\"_sId\":\"q1\",\"_result\":7}\n",
                                                 "{\"_sReply\":5,\"_result\":7}\n",
                                                 "{\"_sEval\":\"x\",\"_sEvalShard\":2,\"_error\":{}}\n"}));
}

TEST_F(ChannelTest, ABareTextIsARebootOnlyIfItSaysSo) {
  channel.receive(R"("reboot 3 force")");
  channel.receive(R"("hello")");
  ASSERT_EQ(bot.requests.size(), 1u);
  EXPECT_EQ(std::get<request::Reboot>(bot.requests[0].first).text, "reboot 3 force");
}

TEST_F(ChannelTest, MessagesOfOtherBotsAreNumberedWhereTheyWantAReply) {
  channel.message("{\"a\":1}", 3, {});
  channel.message("2", 3, answer());
  EXPECT_EQ(bot.lines, (std::vector<std::string>{"{\"_message\":{\"a\":1},\"_from\":3}\n",
                                                 "{\"_request\":2,\"_from\":3,\"_id\":1}\n"}));
  channel.receive(R"({"_reply":2,"_result":"not asked"})");
  channel.receive(R"({"_reply":1,"_result":"yes"})");
  EXPECT_EQ(answers, (std::vector<std::string>{"ok \"yes\""}));
}

TEST_F(ChannelTest, WhatMeansNothingIsPassedOver) {
  for (const char* line :
       {"", "nonsense", "[]", "1", "null", "{}", R"({"_eval":5,"_result":1})", R"({"_sEval":""})",
        R"({"cmd":"NODE_HANDLE_ACK"})", R"({"_reply":{"a":1}})", "{\"_ready\":false}"}) {
    channel.receive(line);
  }
  EXPECT_TRUE(bot.requests.empty());
  EXPECT_TRUE(bot.states.empty());
  EXPECT_TRUE(bot.lines.empty());
}

TEST_F(ChannelTest, WhoWaitsIsToldOnceWhenTheBotIsGone) {
  channel.eval("a", answer());
  channel.fetch_prop("b", answer());
  EXPECT_EQ(channel.waiting(), 2u);
  channel.fail_all({false, "1"});
  channel.fail_all({false, "2"});
  channel.receive(R"({"_eval":"a","_result":1})");
  EXPECT_EQ(answers, (std::vector<std::string>{"error 1", "error 1"}));
}

TEST(LineReader, LinesComeWholeHoweverTheyAreCut) {
  LineReader reader(10);
  std::vector<std::string> lines;
  const auto take = [&](std::string_view line) { lines.emplace_back(line); };
  EXPECT_EQ(reader.receive("ab\ncd", take), 0u);
  EXPECT_EQ(reader.receive("ef\n\n", take), 0u);
  EXPECT_EQ(reader.receive("0123456789\n01234567890\nx\n", take), 1u)
      << "the longest is taken, a longer one is not";
  EXPECT_EQ(reader.receive("01234567", take), 0u);
  EXPECT_EQ(reader.receive("890", take), 1u);
  EXPECT_EQ(reader.receive("123\ny\n", take), 0u);
  EXPECT_EQ(lines, (std::vector<std::string>{"ab", "cdef", "", "0123456789", "x", "y"}));
}

}  // namespace
}  // namespace smaster::agent
