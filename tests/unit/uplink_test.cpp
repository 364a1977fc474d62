// The agent's connection to a master that is late, wrong, gone or refuses: who is believed, that each request
// gets one answer, and that the end may come at any moment.
#include "agent/uplink.hpp"

#include "uplink_fixture.hpp"

namespace smaster::agent {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

class Uplinks : public UplinkTest {
 protected:
  using UplinkTest::UplinkTest;

  void ask(Millis timeout, const std::string& event = "question") {
    uplink_->request(event, {"1"}, {}, timeout,
                     [this](const socketio::Arguments* reply, std::string_view why) {
                       answers_.push_back(reply != nullptr ? std::string(reply->json.front())
                                                           : "none: " + std::string(why));
                       if (on_answer_) on_answer_();
                     });
  }
  /// The master knows the question.
  void asked(const std::string& event = "question") {
    ASSERT_TRUE(run_until([&] { return master_.count(event) > 0; }));
  }
  /// After a loss: until the master is asked again.
  [[nodiscard]] bool again() {
    poll();
    const auto before = master_.asked;
    pass(seconds(31));  // the longest pause
    return run_until([&] { return master_.asked > before; });
  }
  /// Stops it after one handler, after two, and so on until it is up; it never comes up afterwards.
  /// `after(up)`: checks of what has been said then.
  template <class After>
  void stop_at_each_step(After after) {
    bool up = false;
    for (int steps = 0; !up; ++steps) {
      begin();
      context_.restart();
      for (int i = 0; i < steps && !up; ++i) {
        context_.run_one();
        up = uplink_->up();
      }
      uplink_->stop();
      said_.clear();
      run();
      EXPECT_TRUE(ended_);
      after(up);
      EXPECT_EQ(std::count(said_.begin(), said_.end(), "up"), 0) << "after " << steps << " handlers";
      uplink_.reset();
    }
  }

  Words answers_;
  std::function<void()> on_answer_;
};

class UplinksOfTwo : public Uplinks {
 protected:
  UplinksOfTwo() : Uplinks(2) {}
};

TEST_F(Uplinks, ObeyAMasterOnceItHasProvedItself) {
  master_.proves = false;
  begin();
  ASSERT_TRUE(run_until([this] { return master_.joined == 1; }));
  master_.event("early");
  ask(seconds(1));
  uplink_->emit("word", {});
  master_.prove();
  ASSERT_TRUE(until_up());
  EXPECT_EQ(heard_, 0);
  master_.event("late");
  settle();
  EXPECT_EQ(said_, (Words{"up", "late"}));
  EXPECT_EQ(heard_, 2) << "settle, too";
  EXPECT_EQ(answers_, Words{"none: not connected to the master"});
  EXPECT_EQ(master_.count("word"), 0U);
}

TEST_F(Uplinks, LeaveAServerThatIsNotTheirMaster) {
  const auto proof = MasterStandIn::kProof + std::to_string(to_unix_ms(net::wall_clock()));
  const std::vector<std::pair<std::string, std::string>> wrong{
      {proof, master_.sign(proof + '0')},
      {proof, ""},
      {"I am the captain. 1", master_.sign("I am the captain. 1")},
      {MasterStandIn::kProof, master_.sign(MasterStandIn::kProof)},
  };
  master_.proves = false;
  begin();
  for (const auto& [text, signature] : wrong) {
    ASSERT_TRUE(run_until([this] { return master_.link != nullptr && master_.joined == master_.asked; }));
    said_.clear();
    master_.say_proof(text, signature);
    master_.prove();  // too late
    master_.event("order");
    ASSERT_TRUE(until_said(1));
    poll();
    EXPECT_EQ(said_, Words{"down: the server did not prove that it is our master"});
    ASSERT_TRUE(again());
  }
}

TEST_F(Uplinks, LeaveAServerWhoseProofIsOfAnotherTime) {
  master_.proves = false;
  begin();
  for (const Millis age : {kProofPrecision + seconds(1), -kProofPrecision - seconds(1)}) {
    ASSERT_TRUE(run_until([this] { return master_.link != nullptr && master_.joined == master_.asked; }));
    said_.clear();
    master_.prove(age);
    ASSERT_TRUE(until_said(1));
    EXPECT_EQ(said_, Words{"down: the master's proof is too old, or the clocks differ"});
    ASSERT_TRUE(again());
  }
}

TEST_F(Uplinks, LeaveAServerThatProvesNothing) {
  master_.proves = false;
  begin();
  ASSERT_TRUE(run_until([this] { return master_.joined == 1; }));
  pass(seconds(19));
  EXPECT_TRUE(said_.empty());
  pass(seconds(2));
  ASSERT_TRUE(until_said(1));
  EXPECT_EQ(said_, Words{"down: the master did not prove itself in time"});
}

TEST_F(Uplinks, StayWhenTheTimeForTheProofIsOverAfterIt) {
  connect();
  pass(seconds(60));
  settle();
  EXPECT_EQ(said_, Words{"up"});
}

TEST_F(Uplinks, ThatAreRefusedHearNothingMoreAndTryAgain) {
  master_.proves = false;
  begin();
  ASSERT_TRUE(run_until([this] { return master_.joined == 1; }));
  master_.prove(Millis{0}, R"(,"another has it")");
  master_.prove();
  master_.event("order");
  ASSERT_TRUE(run_until([this] { return master_.link == nullptr; }));
  EXPECT_EQ(said_, Words{"refused: the master refused us: another has it"}) << "it is said once";
  master_.proves = true;
  ASSERT_TRUE(again());
  ASSERT_TRUE(until_up());
}

TEST_F(Uplinks, HearNothingMoreWhenTheOwnerHasLeft) {
  connect();
  on_event_ = [this] { uplink_->drop("enough"); };
  for (int i = 0; i < 3; ++i) master_.event("order");
  ASSERT_TRUE(until_said(3));
  poll();
  EXPECT_EQ(said_, (Words{"up", "order", "down: enough"}));
}

TEST_F(Uplinks, TellWhyAHandshakeWasRefused) {
  pass(minutes(1));  // the master's Date is by the machine's clock, which no test advances
  master_.refuse = 403;
  begin();
  ASSERT_TRUE(until_said(1));
  EXPECT_TRUE(said_[0].starts_with("down: the master refused us: HTTP 403 not you; this machine's clock is "))
      << said_[0];
  EXPECT_NE(said_[0].find("ahead of the master's"), std::string::npos) << said_[0];
  master_.refuse = 0;
  ASSERT_TRUE(again());
  ASSERT_TRUE(until_up());
}

TEST_F(Uplinks, AnAnswerBeforeItsTimeoutIsTheOnlyOne) {
  connect();
  ask(seconds(10));
  asked();
  master_.send(master_.answer_to("question", "7"));
  ASSERT_TRUE(run_until([this] { return !answers_.empty(); }));
  pass(seconds(20));
  EXPECT_EQ(answers_, Words{"7"});
}

TEST_F(Uplinks, AnAnswerAfterItsTimeoutIsIgnored) {
  connect();
  ask(seconds(10));
  ask(seconds(30), "other");
  asked();
  pass(seconds(11));
  const Words none{"none: the master did not answer within 10s"};
  EXPECT_EQ(answers_, none);
  master_.send(master_.answer_to("question", "7"));
  settle();
  EXPECT_EQ(answers_, none);
  asked("other");
  master_.send(master_.answer_to("other", "8"));
  settle();
  EXPECT_EQ(answers_, (Words{none[0], "8"}));
}

TEST_F(Uplinks, AnAnswerInTheTurnOfItsTimeoutCountsOnce) {
  connect();
  ask(seconds(10));
  asked();
  master_.send(master_.answer_to("question", "7"));
  net::Clock::advance(seconds(11));
  settle();
  pass(seconds(11));
  EXPECT_EQ(answers_.size(), 1U);
}

TEST_F(Uplinks, ALostConnectionFailsAllQuestionsAndThoseThatFollow) {
  connect();
  ask(seconds(10));
  ask(seconds(10));
  asked();
  on_answer_ = [this] {
    if (answers_.size() < 3) ask(seconds(10));  // as a bot that asks again at once
  };
  lose();
  ASSERT_EQ(said_.size(), 2U);
  EXPECT_TRUE(said_[1].starts_with("down: the connection to the master was lost: ")) << said_[1];
  const auto lost = "none: " + said_[1].substr(6);
  const std::string later = "none: not connected to the master";
  EXPECT_EQ(answers_, (Words{lost, later, later, lost})) << "each has its answer";
  pass(seconds(11));
  EXPECT_EQ(answers_.size(), 4U);
}

TEST_F(Uplinks, AnAnswerOfAnEarlierConnectionIsNone) {
  connect();
  ask(seconds(10));
  asked();
  const auto old = master_.answer_to("question", "7");
  const auto generation = uplink_->generation();
  lose();
  ASSERT_TRUE(again());
  ASSERT_TRUE(until_up());
  EXPECT_EQ(uplink_->generation(), generation + 1);
  ask(seconds(10));
  master_.send(old);
  master_.send("3999[1]");
  settle();
  EXPECT_EQ(answers_.size(), 1U) << "that of the loss";
}

TEST_F(Uplinks, AMessageThatTheMasterWouldNotTakeIsNotSent) {
  connect();
  const std::string large(uplink_->max_payload(), '1');
  uplink_->emit("large", {large});
  uplink_->emit("small", {"1"});
  ASSERT_TRUE(run_until([this] { return master_.count("small") == 1; }));
  EXPECT_EQ(master_.count("large"), 0U);
  EXPECT_TRUE(uplink_->up());
}

TEST_F(Uplinks, WhatIsSentWhileDisconnectedIsNotSentLater) {
  connect();
  lose();
  uplink_->emit("word", {});
  uplink_->ack(1, {"1"});
  uplink_->drop("again");
  ASSERT_TRUE(again());
  ASSERT_TRUE(until_up());
  uplink_->emit("end", {});
  ASSERT_TRUE(run_until([this] { return master_.count("end") == 1; }));
  EXPECT_EQ(master_.received, Words{R"(2["end"])"});
}

TEST_F(Uplinks, ConnectAtOnceOnlyAfterAConnectionThatLasted) {
  master_.proves = false;
  begin();
  const auto tried = [this](Millis after) {
    const auto before = uplink_->dialled();
    pass(after);
    return uplink_->dialled() != before;
  };
  const auto lose_early = [this] {
    EXPECT_TRUE(run_until([this] { return master_.link != nullptr && master_.joined == master_.asked; }));
    const auto before = said_.size();
    master_.link->close_session();
    EXPECT_TRUE(until_said(before + 1));
    poll();
  };
  for (int i = 0; i < 6; ++i) {
    lose_early();
    ASSERT_TRUE(tried(seconds(31)));
  }
  lose_early();
  EXPECT_FALSE(tried(seconds(14))) << "half a minute by now";
  master_.proves = true;
  ASSERT_TRUE(tried(seconds(17)));
  ASSERT_TRUE(until_up());
  lose();
  poll();
  EXPECT_FALSE(tried(seconds(14))) << "it has not lasted";
  ASSERT_TRUE(tried(seconds(17)));
  ASSERT_TRUE(until_up());
  pass(seconds(10));
  lose();
  poll();
  EXPECT_TRUE(tried(seconds(1)));
}

TEST_F(UplinksOfTwo, SayOnceThatNoMasterLeadsAndFollowTheOneThatDoes) {
  master_.leads = other_.leads = false;
  begin();
  ASSERT_TRUE(until_said(1));
  for (int i = 0; i < 5; ++i) {
    const auto before = std::min(master_.looked, other_.looked);
    pass(seconds(2));
    ASSERT_TRUE(run_until([&] { return master_.looked > before && other_.looked > before; }));
  }
  EXPECT_EQ(said_, Words{"down: none of the 2 masters leads now"});
  other_.leads = true;
  pass(seconds(2));
  ASSERT_TRUE(until_up());
  EXPECT_EQ(uplink_->master(), other_.address());
  EXPECT_EQ(master_.asked, 0);
}

TEST_F(Uplinks, MayBeStoppedAtEachStep) {
  stop_at_each_step([this](bool up) {
    if (up) {
      EXPECT_EQ(said_, Words{"down: stopped"});
    }
    EXPECT_FALSE(uplink_->up());
    pass(minutes(2));
  });
}

TEST_F(UplinksOfTwo, MayBeStoppedAtEachStep) {
  other_.leads = false;
  stop_at_each_step([](bool) {});
}

TEST_F(Uplinks, MayBeCancelledAtEachStep) {
  bool up = false;
  for (int steps = 0; !up; ++steps) {
    make();
    net::TaskScope tasks(context_.get_executor(), "test");
    tasks.spawn("connect", uplink_->run());
    context_.restart();
    for (int i = 0; i < steps && !up; ++i) {
      context_.run_one();
      up = uplink_->up();
    }
    tasks.cancel();
    ASSERT_TRUE(run_until([&] { return tasks.running() == 0; })) << "after " << steps << " handlers";
    uplink_->stop();
    poll();
    uplink_.reset();
  }
}

TEST_F(Uplinks, MayBeStoppedWhileTheyWaitForTheNextAttempt) {
  master_.refuse = 403;
  begin();
  ASSERT_TRUE(until_said(1));
  poll();
  uplink_->stop();
  ASSERT_TRUE(run_until([this] { return ended_; }));
  EXPECT_EQ(master_.asked, 1);
}

TEST_F(Uplinks, MayBeStoppedByTheirOwnAnswers) {
  connect();
  ask(seconds(10));
  asked();
  on_answer_ = [this] { uplink_->stop(); };
  lose();
  ASSERT_TRUE(run_until([this] { return ended_; }));
  EXPECT_EQ(answers_.size(), 1U);
}

TEST_F(Uplinks, GiveUpAMasterThatDoesNotAnswerTheHandshake) {
  master_.hold = true;
  begin();
  ASSERT_TRUE(run_until([this] { return master_.asked == 1; }));
  pass(seconds(16));
  ASSERT_TRUE(run_until([this] {
    if (said_.empty()) pass(seconds(16));
    return !said_.empty();
  }));
  EXPECT_TRUE(said_[0].starts_with("down: ")) << said_[0];
  EXPECT_FALSE(uplink_->up());
}

}  // namespace
}  // namespace smaster::agent
