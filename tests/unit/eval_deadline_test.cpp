// Evals at their deadline: an answer just before or after it, shards and askers that leave, and how many
// answers are still awaited at the end.
#include "fleet_fixture.hpp"
#include "server/requests/eval.hpp"

namespace smaster::server {
namespace {

using std::chrono::seconds;

class Deadline : public FleetTest {
 protected:
  Deadline() { command({"abc", "abd"}); }

  std::shared_ptr<Eval> ask(const std::vector<int>& ids = {0, 1}) {
    std::vector<ShardId> shards;
    for (const int id : ids) shards.push_back(ShardId{id});
    auto eval = Eval::start(
        server_->evals, Question::eval("1"), shards, kTime,
        [this](const EvalAnswer& answer) {
          static constexpr const char* kKinds[] = {"result", "error", "missing"};
          heard_.push_back(std::to_string(answer.shard.value) + ' ' + kKinds[static_cast<int>(answer.kind)] +
                           ' ' + answer.json);
        },
        [this] { ++ends_; });
    poll();
    return eval;
  }
  void answer(std::string_view who, const std::string& arguments = "null,2") {
    peer(who).says(peer(who).link.answer_to("evalRequest", arguments));
  }
  /// That the eval has ended once, and waits for nobody.
  void expect_end(const std::vector<std::string>& heard) {
    poll();
    EXPECT_EQ(heard_, heard);
    EXPECT_EQ(ends_, 1);
    EXPECT_EQ(server_->evals.awaited, 0U);
  }

  static constexpr Millis kTime = seconds(60);
  std::vector<std::string> heard_;
  int ends_ = 0;
};

TEST_F(Deadline, AnAnswerBeforeItIsHeardAndOneAfterItIsNot) {
  ask();
  EXPECT_EQ(server_->evals.awaited, 2U);
  answer("abc");
  const auto late = peer("abd").link.answer_to("evalRequest", "null,3");
  EXPECT_EQ(ends_, 0);
  pass(kTime);
  const std::vector<std::string> heard{"0 result 2", R"(1 missing "no answer within 1m")"};
  expect_end(heard);
  peer("abd").says(late);
  peer("abc").says(peer("abc").link.answer_to("evalRequest", "null,4"));
  expect_end(heard);
}

TEST_F(Deadline, AnAnswerThatComesWhenItIsOverButNotYetNoticedIsHeard) {
  ask();
  net::Clock::advance(kTime);
  answer("abc");
  answer("abd", "\"no luck\"");
  pass(Millis{0});
  expect_end({"0 result 2", "1 error \"no luck\""});
}

TEST_F(Deadline, AShardThatLeavesIsMissingAtOnce) {
  ask();
  answer("abd");
  leave(peer("abc"));
  poll();
  ASSERT_EQ(heard_.size(), 2U);
  EXPECT_TRUE(heard_[1].starts_with("0 missing \"disconnected before it answered"));
  EXPECT_EQ(ends_, 1);
  pass(kTime);
  expect_end(heard_);
}

TEST_F(Deadline, AShardThatConnectsAgainDoesNotAnswerForItsOldConnection) {
  ask({0});
  const auto late = peer("abc").link.answer_to("evalRequest", "null,3");
  auto reservation = directory().reserve(name("abc"));
  RecordingLink link;
  ShardSession session(server_->sessions, std::move(*reservation), "127.0.0.1");
  session.opened(link, {});
  session.receive(false, "0");
  EXPECT_TRUE(peer("abc").link.closed);
  poll();
  ASSERT_EQ(heard_.size(), 1U);
  EXPECT_TRUE(heard_[0].starts_with("0 missing"));
  session.receive(false, late);
  peer("abc").says(late);
  expect_end(heard_);
  leave(peer("abc"));
  session.closed(engineio::CloseReason::transport_close);
}

TEST_F(Deadline, AShardThatIsRevokedWhileItIsAskedIsMissing) {
  ask();
  answer("abd");
  Result<void> removed;
  spawn(registration().remove({name("abc")}), removed);
  run();
  ASSERT_EQ(heard_.size(), 2U);
  EXPECT_TRUE(heard_[1].starts_with("0 missing"));
  expect_end(heard_);
}

TEST_F(Deadline, ACancelledEvalWaitsForNobodyAndHearsNothing) {
  const auto eval = ask();
  answer("abc");
  eval->cancel();
  EXPECT_EQ(server_->evals.awaited, 0U);
  answer("abd");
  leave(peer("abc"));
  pass(kTime);
  EXPECT_EQ(heard_.size(), 1U);
  EXPECT_EQ(ends_, 0);
}

TEST_F(Deadline, WhoHearsAMissingAnswerMayCancelTheEvalAtItsDeadline) {
  std::shared_ptr<Eval> eval;
  int answers = 0;
  eval = Eval::start(
      server_->evals, Question::eval("1"), {ShardId{0}, ShardId{1}}, kTime,
      [&](const EvalAnswer&) {
        ++answers;
        eval->cancel();
      },
      [] { FAIL() << "it was cancelled"; });
  poll();
  pass(kTime);
  EXPECT_EQ(answers, 1);
  EXPECT_EQ(server_->evals.awaited, 0U);
}

TEST_F(Deadline, AnAskingShardThatLeavesGetsNoAnswerOnItsNextConnection) {
  peer("abc").says(R"(27["broadcastEval","1"])");
  poll();
  EXPECT_EQ(server_->evals.awaited, 2U);
  leave(peer("abc"));
  auto& back = connect("abc");
  answer("abd");
  pass(kEvalTimeout);
  EXPECT_FALSE(back.link.has("37[")) << "the number of the question is another one's by now";
  EXPECT_EQ(server_->evals.awaited, 0U);
}

TEST_F(Deadline, AShardsQuestionToAllIsAnsweredOnceWhoeverIsMissing) {
  peer("abc").says(R"(27["broadcastEval","1"])");
  poll();
  answer("abc");
  pass(kEvalTimeout);
  EXPECT_EQ(peer("abc").link.count("37["), 1U);
  EXPECT_TRUE(peer("abc").link.has("Not all shards answered (1/2)"));
  answer("abd");
  pass(kEvalTimeout);
  EXPECT_EQ(peer("abc").link.count("37["), 1U);
}

TEST_F(Deadline, PlacesForQuestionsAreFreeAgainWhenTheirAskerHasLeftAndNobodyIsAwaited) {
  constexpr int kMost = 64;
  for (int i = 0; i <= kMost; ++i) peer("abc").says("2" + std::to_string(i) + R"(["broadcastEval","1"])");
  EXPECT_EQ(peer("abc").link.count("too many questions"), 1U);
  poll();
  EXPECT_EQ(peer("abd").link.count("evalRequest"), 64U);
  leave(peer("abc"));
  pass(kEvalTimeout);
  connect("abc").says(R"(27["broadcastEval","1"])");
  poll();
  EXPECT_EQ(peer("abc").link.count("too many questions"), 0U);
  EXPECT_EQ(peer("abd").link.count("evalRequest"), 65U);
}

}  // namespace
}  // namespace smaster::server
