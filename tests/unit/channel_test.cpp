#include "agent/bot/channel.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace smaster::agent {
namespace {

class Recorder final : public ChannelSink {
 public:
  bool to_bot(std::string line) override {
    if (reads) lines.push_back(std::move(line));
    return reads;
  }
  void bot_state(BotState state) override { states.push_back(state); }
  void bot_request(Request request, std::string reply) override {
    requests.emplace_back(std::move(request), std::move(reply));
  }
  bool reads = true;
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

TEST_F(ChannelTest, EqualScriptsThatWaitDifferInSpacesSoThatEachAnswerFindsItsQuestion) {
  for (int i = 0; i < 3; ++i) channel.eval("n++", answer());
  EXPECT_EQ(bot.lines, (std::vector<std::string>{"{\"_eval\":\"n++\"}\n", "{\"_eval\":\"n++\\t\"}\n",
                                                 "{\"_eval\":\"n++ \\t\"}\n"}));
  channel.receive(R"({"_eval":"n++ \t","_result":3})");
  channel.receive(R"({"_eval":"n++","_result":1})");
  channel.receive(R"({"_eval":"n++","_result":4})");
  EXPECT_EQ(answers, (std::vector<std::string>{"ok 3", "ok 1"}));
  channel.eval("n++", answer());
  EXPECT_EQ(bot.lines.back(), "{\"_eval\":\"n++\"}\n") << "as it is, where nobody else waits for it";
}

TEST_F(ChannelTest, AQuestionThatHasNoRoomInTheQueueOfABotThatDoesNotReadFailsAtOnce) {
  channel.eval("1", answer());
  bot.reads = false;
  channel.eval("2", answer());
  channel.fetch_prop("a.b", answer());
  channel.message("1", 0, answer());
  EXPECT_EQ(answers.size(), 3U);
  for (const auto& answered : answers)
    EXPECT_NE(answered.find("does not read"), std::string::npos) << answered;
  EXPECT_EQ(channel.waiting(), 1U);
  channel.receive(R"({"_eval":"1","_result":1})");
  EXPECT_EQ(answers.back(), "ok 1");
}

TEST_F(ChannelTest, AScriptThatNeverEndsDoesNotKeepTheNextFromItsAnswer) {
  std::vector<std::string> first;
  channel.eval("s", [&](const Outcome& outcome) { first.push_back(outcome.json); });
  channel.eval("s", answer());
  channel.receive(R"({"_eval":"s\t","_result":2})");
  EXPECT_EQ(answers, (std::vector<std::string>{"ok 2"}));
  EXPECT_TRUE(first.empty());
}

TEST_F(ChannelTest, ALateAnswerIsForNobody) {
  channel.eval("s", answer());
  channel.fail_all({false, "1"});
  channel.eval("s", answer());
  EXPECT_EQ(bot.lines.back(), "{\"_eval\":\"s\\t\"}\n") << "the first one may still be answered";
  channel.receive(R"({"_eval":"s","_result":"late"})");
  EXPECT_EQ(answers, (std::vector<std::string>{"error 1"}));
  channel.receive(R"({"_eval":"s\t","_result":2})");
  EXPECT_EQ(answers, (std::vector<std::string>{"error 1", "ok 2"}));
  channel.eval("s", answer());
  EXPECT_EQ(bot.lines.back(), "{\"_eval\":\"s\"}\n") << "it was";
}

TEST_F(ChannelTest, SpacesOfTheScriptsOwnAreNoOthersMark) {
  channel.eval("s", answer());
  channel.eval("s\t", answer());
  channel.eval("s", answer());
  channel.receive(R"({"_eval":"s\t","_result":2})");
  EXPECT_EQ(answers, (std::vector<std::string>{"ok 2"}));
  EXPECT_EQ(bot.lines.back(), "{\"_eval\":\"s \\t\"}\n");
}

TEST_F(ChannelTest, AnEmptyScriptIsNoneToDiscordJsSoItIsNeverSentAsItIs) {
  channel.eval("", answer());
  EXPECT_EQ(bot.lines.back(), "{\"_eval\":\"\\t\"}\n");
  channel.receive(R"({"_eval":"\t"})");
  EXPECT_EQ(answers, (std::vector<std::string>{"ok null"}));
}

TEST_F(ChannelTest, TooManyThatWaitMakeTheOldestGiveUp) {
  channel.eval("never", answer());
  const auto ignore = [](const Outcome&) {};
  for (std::size_t i = 1; i < Channel::kMaxWaiting; ++i) channel.eval("never", ignore);
  EXPECT_TRUE(answers.empty());
  channel.eval("1", answer());
  EXPECT_EQ(channel.waiting(), Channel::kMaxWaiting);
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_NE(answers[0].find("the bot does not answer"), std::string::npos);
  channel.receive(R"({"_eval":"1","_result":1})");
  EXPECT_EQ(answers.back(), "ok 1");
  channel.eval(std::string(Channel::kMaxWaitingBytes, 'x'), ignore);
  EXPECT_EQ(channel.waiting(), 1u);
}

TEST_F(ChannelTest, OneAnswerToAPathIsGoodForAllWhoWait) {
  channel.fetch_prop("a.b", answer());
  channel.fetch_prop("a.b", answer());
  channel.receive(R"({"_fetchProp":"a.b","_result":1})");
  EXPECT_EQ(answers, (std::vector<std::string>{"ok 1", "ok 1"}));
  EXPECT_EQ(channel.waiting(), 0u);
  channel.receive(R"({"_fetchProp":"a.b","_result":1})");
  EXPECT_EQ(answers.size(), 2u);
}

TEST_F(ChannelTest, WhateverWasThrownIsAnError) {
  channel.eval("a", answer());
  channel.eval("b", answer());
  channel.eval("c", answer());
  channel.receive(R"({"_eval":"a","_error":null})");
  channel.receive(R"({"_eval":"b","_error":0})");
  channel.receive(R"({"_eval":"c","_result":1,"_error":null})");
  ASSERT_EQ(answers.size(), 3u);
  EXPECT_NE(answers[0].find("null was thrown"), std::string::npos);
  EXPECT_NE(answers[1].find("0 was thrown"), std::string::npos);
  EXPECT_EQ(answers[2], "ok 1");
}

TEST_F(ChannelTest, AnAnswerThatCannotBeReadIsSaidAtOnce) {
  channel.eval("a \"quoted\"", answer());
  channel.receive(R"({"_eval": "a \"quoted\"", "_result": NaN})");
  channel.fetch_prop("b", answer());
  channel.receive(R"({"_result":undefined,"_fetchProp":"b"})");
  channel.message("1", 3, answer());
  channel.receive(R"({"_reply":1,"_result":})");
  ASSERT_EQ(answers.size(), 3u);
  for (const auto& text : answers)
    EXPECT_NE(text.find("the bot's answer is not valid JSON"), std::string::npos);
  EXPECT_EQ(channel.waiting(), 0u);
}

TEST_F(ChannelTest, AnAnswerThatNestsTooDeeplyIsSaidAtOnce) {
  const auto nested = [](std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  for (const auto depth : {Channel::kMaxAnswerDepth, Channel::kMaxAnswerDepth + 1, std::size_t{600}}) {
    channel.eval("a", answer());
    channel.receive(R"({"_eval":"a","_result":)" + nested(depth) + '}');
  }
  ASSERT_EQ(answers.size(), 3u);
  EXPECT_TRUE(answers[0].starts_with("ok"));
  EXPECT_NE(answers[1].find("nests 501 levels deep"), std::string::npos);
  EXPECT_NE(answers[2].find("not valid JSON"), std::string::npos);
  channel.eval("a", answer());
  channel.receive(R"({"_eval":"a","_result":")" + std::string(600, '[') + R"("})");
  EXPECT_TRUE(answers[3].starts_with("ok")) << "brackets in a text nest nothing";
}

TEST_F(ChannelTest, AnAnswerThatIsTooLongIsSaidAtOnceWhereverItsScriptStands) {
  channel.eval("a", answer());
  channel.receive_too_long(R"({"_eval":"a","_result":"xxxx)", R"(xxx"})", 100);
  channel.eval("b", answer());
  channel.receive_too_long(R"({"_result":"xxxx)", R"(xxx","_eval":"b"})", 100);
  ASSERT_EQ(answers.size(), 2u);
  for (const auto& text : answers) EXPECT_NE(text.find("longer than the 100 bytes"), std::string::npos);
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

TEST(LineReader, OfALineThatIsTooLongItsBeginningAndItsEndAreKept) {
  LineReader reader(10);
  std::vector<std::string> kept;
  const auto ignore = [](std::string_view) {};
  const auto keep = [&](std::string_view head, std::string_view tail) {
    kept.emplace_back(std::string(head) + '|' + std::string(tail));
  };
  reader.receive("begin", ignore, keep);
  reader.receive("0123456789", ignore, keep);
  EXPECT_TRUE(kept.empty());
  reader.receive("end\nshort\n", ignore, keep);
  EXPECT_EQ(kept, (std::vector<std::string>{"begin|0123456789end"}));
}

}  // namespace
}  // namespace smaster::agent
