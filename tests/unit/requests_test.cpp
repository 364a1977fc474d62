// A bot's requests to a master that comes and goes: what waits is limited, sent in order, and answered once.
#include "agent/requests.hpp"

#include "uplink_fixture.hpp"

namespace smaster::agent {
namespace {

using std::chrono::seconds;

class BotRequests : public UplinkTest {
 protected:
  /// Its outcome is noted as "event: JSON".
  Demand demand(const std::string& event, std::string argument = "1") {
    return {event, {std::move(argument)}, {}, seconds(10), [this, event](const Outcome& outcome) {
              answers_.push_back(event + ": " + (outcome.ok ? "" : "error ") + outcome.json);
              if (on_answer_) on_answer_();
            }};
  }
  /// The number of answers that are errors with this text.
  [[nodiscard]] std::size_t errors(std::string_view text) const {
    std::size_t found = 0;
    for (const auto& answer : answers_) found += answer.find(text) != std::string::npos ? 1 : 0;
    return found;
  }
  void uplink_up(Millis ahead) override {
    UplinkTest::uplink_up(ahead);
    requests_->connected();
  }
  /// An uplink that is not connected yet.
  void prepare() {
    make();
    requests_.emplace(*uplink_);
  }
  void go() {
    spawn(uplink_->run(), ended_);
    ASSERT_TRUE(until_up());
  }
  [[nodiscard]] bool heard(std::size_t events) {
    return run_until([&] { return master_.received.size() >= events; });
  }
  /// The names of the events that the master has had.
  [[nodiscard]] Words sent() const {
    Words names;
    for (const auto& message : master_.received) {
      const auto from = message.find('"') + 1;
      names.push_back(message.substr(from, message.find('"', from) - from));
    }
    return names;
  }

  std::optional<Requests> requests_;
  Words answers_;
  std::function<void()> on_answer_;
};

TEST_F(BotRequests, WithoutAConnectionFailAtOnceUnlessTheyAreKept) {
  prepare();
  requests_->send(demand("eval"));
  EXPECT_EQ(errors("not connected to the master; try again"), 1U);
  requests_->send_or_keep(demand("sql"));
  EXPECT_EQ(answers_.size(), 1U);
  go();
  ASSERT_TRUE(heard(1));
  EXPECT_EQ(sent(), Words{"sql"});
}

TEST_F(BotRequests, ThatAreKeptAreSentOnceInTheirOrder) {
  prepare();
  for (const char* const event : {"a", "b", "c"}) requests_->send_or_keep(demand(event));
  go();
  requests_->send_or_keep(demand("d"));
  ASSERT_TRUE(heard(4));
  EXPECT_EQ(sent(), (Words{"a", "b", "c", "d"}));
  for (const char* const event : {"d", "a"}) master_.send(master_.answer_to(event, "null,5"));
  settle();
  EXPECT_EQ(answers_, (Words{"d: 5", "a: 5"}));
  lose();
  EXPECT_EQ(errors("it may or may not have been done"), 2U) << "b and c";
  pass(seconds(31));
  ASSERT_TRUE(until_up());
  settle();
  EXPECT_EQ(sent().size(), 4U) << "they are not repeated: the master may have done them";
}

TEST_F(BotRequests, AreNotKeptBeyondTheirNumber) {
  prepare();
  for (std::size_t i = 0; i < Requests::kMaxWaiting; ++i) requests_->send_or_keep(demand("sql"));
  EXPECT_TRUE(answers_.empty());
  requests_->send_or_keep(demand("more"));
  EXPECT_EQ(errors("more: error"), 1U);
  EXPECT_EQ(errors("too many requests wait for it"), 1U);
  go();
  ASSERT_TRUE(heard(Requests::kMaxWaiting));
  EXPECT_EQ(master_.count("more"), 0U);
  lose();
  answers_.clear();
  for (std::size_t i = 0; i < Requests::kMaxWaiting; ++i) requests_->send_or_keep(demand("sql"));
  EXPECT_TRUE(answers_.empty()) << "there is room again";
}

TEST_F(BotRequests, AreNotKeptBeyondTheirBytes) {
  constexpr auto kThird = Requests::kMaxWaitingBytes / 3 - kPacketOverhead;
  prepare();
  for (const char* const event : {"a", "b", "c", "d"}) {
    requests_->send_or_keep(demand(event, std::string(kThird, '1')));
  }
  EXPECT_EQ(errors("d: error"), 1U);
  EXPECT_EQ(answers_.size(), 1U);
  requests_->send_or_keep(demand("small"));
  EXPECT_EQ(answers_.size(), 2U) << "not even one byte is left";
  go();
  EXPECT_EQ(errors("are more than the master takes in one message"), 3U);
  lose();
  answers_.clear();
  requests_->send_or_keep(demand("a", std::string(kThird, '1')));
  EXPECT_TRUE(answers_.empty()) << "there is room again";
}

TEST_F(BotRequests, CountTheirAttachmentsAsTheyAreSent) {
  Demand file{"write", {"1"}, {std::string(3'000, 'x'), "y"}, seconds(1), {}};
  EXPECT_EQ(file.bytes(), kPacketOverhead + 1 + 3'001);
  EXPECT_EQ(file.bytes(true), kPacketOverhead + 1 + 4'000 + 2 + 4 + 2);
}

TEST_F(BotRequests, OneThatIsTooLargeDoesNotHoldUpTheOthers) {
  prepare();
  requests_->send_or_keep(demand("a"));
  requests_->send_or_keep(demand("large", std::string(1'000'000, '1')));
  requests_->send_or_keep(demand("b"));
  go();
  ASSERT_TRUE(heard(2));
  EXPECT_EQ(sent(), (Words{"a", "b"}));
  EXPECT_EQ(errors("large: error"), 1U);
  EXPECT_TRUE(uplink_->up());
}

TEST_F(BotRequests, AllAreAnsweredOnceWhenTheConnectionGoesWhileTheyAreSent) {
  prepare();
  requests_->send_or_keep(demand("large", std::string(1'000'000, '1')));
  requests_->send_or_keep(demand("a"));
  requests_->send_or_keep(demand("b"));
  on_answer_ = [this] { uplink_->drop("enough"); };
  go();
  on_answer_ = nullptr;
  ASSERT_TRUE(run_until([this] { return !uplink_->up(); }));
  EXPECT_EQ(answers_.size(), 3U);
  EXPECT_EQ(errors("a: error"), 1U);
  EXPECT_EQ(errors("b: error"), 1U);
  pass(seconds(31));
  ASSERT_TRUE(until_up());
  settle();
  EXPECT_EQ(answers_.size(), 3U);
}

TEST_F(BotRequests, OneThatIsMadeByAnAnswerOfALossIsKept) {
  prepare();
  go();
  requests_->send_or_keep(demand("a"));
  ASSERT_TRUE(heard(1));
  on_answer_ = [this] { requests_->send_or_keep(demand("a again")); };
  lose();
  on_answer_ = nullptr;
  EXPECT_EQ(answers_.size(), 1U);
  pass(seconds(31));
  ASSERT_TRUE(heard(2));
  EXPECT_EQ(sent(), (Words{"a", "a again"}));
}

TEST_F(BotRequests, ThatAreNotAnsweredInTimeFail) {
  prepare();
  go();
  requests_->send(demand("a"));
  ASSERT_TRUE(heard(1));
  pass(seconds(11));
  EXPECT_EQ(errors("did not answer within 10s; it may or may not have been done"), 1U);
  master_.send(master_.answer_to("a", "null,5"));
  settle();
  EXPECT_EQ(answers_.size(), 1U);
}

TEST(MastersAnswers, AreAnErrorOrAResult) {
  const auto outcome = [](std::vector<std::string_view> json, std::vector<std::string> attachments = {}) {
    const auto is = outcome_of({std::move(json), std::move(attachments)});
    return (is.ok ? "" : "error ") + is.json;
  };
  EXPECT_EQ(outcome({}), "null");
  EXPECT_EQ(outcome({"null"}), "null");
  EXPECT_EQ(outcome({"null", "[1]"}), "[1]");
  EXPECT_EQ(outcome({"false", "2", "3"}), "2");
  EXPECT_EQ(outcome({R"({"name":"SqlError"})", "1"}), R"(error {"name":"SqlError"})");
  EXPECT_TRUE(outcome({R"("no")"}).starts_with("error {")) << "a text becomes the message";
  const std::string missing = R"({"_placeholder":true,"num":3})";
  EXPECT_TRUE(outcome({"null", missing}, {"x"}).starts_with("error ")) << outcome({"null", missing}, {"x"});
}

}  // namespace
}  // namespace smaster::agent
