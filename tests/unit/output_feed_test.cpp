// An agent's answers about its bot's output, and the lines that it sends while its master follows.
#include "agent/output_feed.hpp"

#include "uplink_fixture.hpp"

namespace smaster::agent {
namespace {

using std::chrono::seconds;

class OutputFeeds : public UplinkTest {
 protected:
  OutputFeeds() {
    connect();
    feed_.emplace(context_, *uplink_, 100, "");
  }
  void TearDown() override {
    feed_->stop();
    poll();
    feed_.reset();
    UplinkTest::TearDown();
  }
  /// Asks for new lines, at most every 10 s, for so many milliseconds.
  std::string follow(int ms, const std::string& more = "") {
    const auto answer = feed_->answer(R"({"every":10000,"follow":)" + std::to_string(ms) + more + '}');
    EXPECT_TRUE(answer.ok);
    return answer.json;
  }
  [[nodiscard]] std::size_t sent() const { return master_.count("logLines"); }
  [[nodiscard]] bool until_sent(std::size_t count) {
    return run_until([&] { return sent() >= count; });
  }
  /// Until the master has had all that was sent.
  void arrive() {
    const auto before = master_.count("mark");
    uplink_->emit("mark", {});
    ASSERT_TRUE(run_until([&] { return master_.count("mark") > before; }));
  }
  static bool has(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
  }
  const std::string& last() const { return master_.received.back(); }

  std::optional<OutputFeed> feed_;
};

TEST_F(OutputFeeds, NothingIsSentUnasked) {
  feed_->note("a");
  const auto answer = feed_->answer(R"({"lines":5})");
  EXPECT_TRUE(has(answer.json, R"("next":1,"lines":[[)")) << answer.json;
  feed_->note("b");
  arrive();
  EXPECT_EQ(sent(), 0U);
  EXPECT_FALSE(feed_->answer("no JSON").ok);
  EXPECT_FALSE(feed_->answer("[]").ok);
}

TEST_F(OutputFeeds, TheFirstLineIsSentAtOnceAndLaterOnesTogether) {
  feed_->note("before");
  EXPECT_TRUE(has(follow(60'000), "before"));
  feed_->note("first");
  ASSERT_TRUE(until_sent(1));
  EXPECT_FALSE(has(last(), "before"));
  EXPECT_TRUE(has(last(), "first"));
  feed_->note("second");
  feed_->note("third");
  arrive();
  EXPECT_EQ(sent(), 1U);
  pass(seconds(10));
  ASSERT_TRUE(until_sent(2));
  EXPECT_FALSE(has(last(), "first"));
  EXPECT_TRUE(has(last(), "second"));
  EXPECT_TRUE(has(last(), "third"));
}

TEST_F(OutputFeeds, FollowingEndsByItselfOrWhenTheMasterSaysSo) {
  follow(5'000);
  pass(seconds(5));
  feed_->note("late");
  arrive();
  EXPECT_EQ(sent(), 0U);
  follow(5'000);
  feed_->note("in time");
  ASSERT_TRUE(until_sent(1));
  (void)feed_->answer(R"({"lines":0,"follow":0})");
  feed_->note("unwanted");
  pass(seconds(10));
  arrive();
  EXPECT_EQ(sent(), 1U);
}

TEST_F(OutputFeeds, AFollowerHasItsLinesBeforeAnotherAnswer) {
  follow(60'000);
  feed_->note("a");
  ASSERT_TRUE(until_sent(1));
  feed_->note("b");  // would be sent in 10 s
  const auto answer = feed_->answer(R"({"lines":1,"follow":60000,"every":10000})");
  EXPECT_TRUE(has(answer.json, R"("b"]])"));
  ASSERT_TRUE(until_sent(2));
  EXPECT_TRUE(has(last(), R"("b"]])"));
  feed_->note("c");
  pass(seconds(10));
  ASSERT_TRUE(until_sent(3));
  EXPECT_FALSE(has(last(), R"("b"]])")) << "once";
}

TEST_F(OutputFeeds, AnewConnectionHasToAskAndGoesOnWhereTheLastOneWas) {
  const auto first = follow(60'000);
  const auto ring = first.substr(0, first.find(R"(,"next")"));
  feed_->note("a");
  ASSERT_TRUE(until_sent(1));
  lose();
  ASSERT_TRUE(until_up());
  feed_->note("b");
  pass(seconds(10));
  arrive();
  EXPECT_EQ(sent(), 1U);
  const auto next = follow(60'000, ',' + ring.substr(1) + R"(,"after":1)");
  EXPECT_TRUE(has(next, R"("next":2,)")) << next;
  EXPECT_FALSE(has(next, R"("a"]])"));
  EXPECT_TRUE(has(next, R"("b"]])"));
  const auto of_another = follow(60'000, R"(,"ring":"another","after":1)");
  EXPECT_TRUE(has(of_another, R"("a"])")) << "its numbers are not these";
}

TEST_F(OutputFeeds, BytesAreBoundedAndWhatIsMissingIsSaid) {
  follow(60'000, R"(,"rate":512)");  // in 10 s ten times as much
  for (int i = 0; i < 50; ++i) feed_->note(std::string(1'000, 'x') + std::to_string(i));
  ASSERT_TRUE(until_sent(1));
  EXPECT_LT(last().size(), 6'000U);
  EXPECT_TRUE(has(last(), "lines dropped)"));
  EXPECT_TRUE(has(last(), R"(x49"]])"));
}

}  // namespace
}  // namespace smaster::agent
