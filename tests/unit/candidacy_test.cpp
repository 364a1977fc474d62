// The election of the leader, with calls that fail, throw or answer late: who leads, until when, and what is
// released at the end.
#include "server/cluster/candidacy.hpp"

#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>
#include <stdexcept>

#include "loop_fixture.hpp"
#include "net/event.hpp"

namespace smaster::server {
namespace {

using std::chrono::seconds;
using Words = std::vector<std::string>;

/// Long: the real time that a test takes is nothing against it.
constexpr Millis kLease = seconds(600);

class FakeElection final : public store::Election {
 public:
  /// Calls of this name wait from now on, until `go_on`.
  void hold(const std::string& name) {
    with_lock([&] { held_ = name; });
  }
  void go_on() {
    with_lock([&] { held_.clear(); });
  }
  /// The next call of this name has this outcome instead of its usual one; kind internal: an exception.
  void next(const std::string& name, Error error) {
    with_lock([&] { errors_.insert_or_assign(name, std::move(error)); });
  }
  void leader(const std::string& name) {
    with_lock([&] { leader_ = name; });
  }
  /// The calls so far, without those that ask whether the leader may have changed.
  [[nodiscard]] Words calls() const {
    const std::lock_guard lock(mutex_);
    return calls_;
  }
  [[nodiscard]] std::size_t count(const std::string& name) const {
    const auto all = calls();
    return static_cast<std::size_t>(std::count(all.begin(), all.end(), name));
  }

  Result<store::Standing> campaign(const store::Member& self) override {
    auto called = call("campaign");
    if (!called) return called.error();
    const std::lock_guard lock(mutex_);
    if (leader_.empty()) leader_ = self.name;
    told_ = leader_;
    store::Member leader;
    leader.name = leader_;
    return store::Standing{leader_ == self.name, leader};
  }
  Result<void> renew() override { return call("renew"); }
  void resign() override { (void)call("resign"); }
  Result<std::vector<store::Member>> members() override { return std::vector<store::Member>{}; }
  /// Until the leader is another one than the caller was told of, or the end.
  void wait(Millis) override {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return stopped_ || leader_ != told_; });
    told_ = leader_;
  }
  void stop() override {
    with_lock([&] { stopped_ = true; });
  }
  Millis lease() const override { return kLease; }

 private:
  template <class Change>
  void with_lock(Change change) {
    const std::lock_guard lock(mutex_);
    change();
    changed_.notify_all();
  }
  Result<void> call(const std::string& name) {
    std::unique_lock lock(mutex_);
    calls_.push_back(name);
    changed_.wait(lock, [&] { return held_ != name; });
    auto error = errors_.extract(name);
    if (error.empty()) return {};
    if (error.mapped().kind == ErrorKind::internal) throw std::runtime_error(error.mapped().message);
    return error.mapped();
  }

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::string held_;
  std::map<std::string, Error> errors_;
  std::string leader_;
  std::string told_;
  Words calls_;
  bool stopped_ = false;
};

class Candidate : public LoopTest {
 protected:
  Candidate() {
    candidacy_.elected = [this] { said_.emplace_back("elected"); };
    candidacy_.deposed = [this](const std::string& why) { said_.push_back("deposed: " + why); };
  }
  ~Candidate() override {
    election_.go_on();
    read_.notify();
    if (!stopped_) stop();
    candidacy_.join();
    poll();
  }

  void begin(bool hold_back = false) {
    leadership_.begin();
    tasks_.keep_running("candidacy", [this, hold_back] { return take_part(hold_back); });
  }
  net::Task<> take_part(bool hold_back) {
    store::Member self;
    self.name = "this one";
    try {
      co_await candidacy_.run(std::move(self), hold_back);
    } catch (...) {
      ++failures_;
      throw;
    }
  }
  void lead() {
    begin();
    ASSERT_TRUE(run_until([this] { return candidacy_.leads(); }));
    ASSERT_TRUE(leadership_.held());
  }
  /// It stands by: another one leads.
  void stand_by() {
    election_.leader("another");
    begin();
    ASSERT_TRUE(run_until([this] { return candidacy_.lag() != Millis::max(); }));
  }
  void begin_to_stop() {
    stopped_ = true;
    tasks_.spawn("stop", note_end(candidacy_.stop(), ended_));
    poll();
  }
  void stop() {
    begin_to_stop();
    EXPECT_TRUE(run_until([this] { return ended_; }));
  }
  /// Its lease is due for renewal.
  void renew() {
    pass(kLease / 3);
    EXPECT_TRUE(run_until([this, before = until_] { return leadership_.until() != before; }));
    until_ = leadership_.until();
  }
  net::Task<Result<void>> read_ahead() {
    ++reads_;
    while (read_waits_) co_await read_.wait();
    co_return Result<void>();
  }

  FakeElection election_;
  Leadership leadership_;
  net::Event read_{context_.get_executor()};
  bool read_waits_ = false;
  int reads_ = 0;
  int failures_ = 0;
  Candidacy candidacy_{{context_, leadership_, [this] { return read_ahead(); }}, election_};
  Words said_;
  bool ended_ = false;
  bool stopped_ = false;
  std::chrono::nanoseconds until_{0};
};

TEST_F(Candidate, ALeaderKeepsItsLeaseAsLongAsItRenewsIt) {
  lead();
  until_ = leadership_.until();
  for (int i = 0; i < 12; ++i) renew();
  EXPECT_TRUE(leadership_.held());
  EXPECT_EQ(candidacy_.lag(), Millis{0});
  EXPECT_EQ(said_, Words{"elected"});
  stop();
  EXPECT_FALSE(leadership_.held());
  EXPECT_EQ(election_.count("resign"), 1U);
  EXPECT_EQ(said_, Words{"elected"}) << "it gave up the lead, nobody took it";
}

TEST_F(Candidate, ALeaseEndsByTheClockWhileItsRenewalHangs) {
  lead();
  election_.hold("renew");
  pass(kLease / 3);
  EXPECT_TRUE(leadership_.held());
  election_.leader("another");
  pass(kLease);
  EXPECT_FALSE(leadership_.held());
  EXPECT_FALSE(candidacy_.leads());
  const Words lost{"elected", "deposed: this server was held up for too long"};
  EXPECT_EQ(said_, lost);
  election_.go_on();  // the renewal has worked, too late
  ASSERT_TRUE(run_until([this] { return reads_ > 0; }));
  EXPECT_FALSE(leadership_.leased());
  EXPECT_EQ(said_, lost) << "it is said once";
  stop();
  EXPECT_EQ(election_.count("resign"), 0U) << "the lease is another one's by now";
}

TEST_F(Candidate, ARenewalThatFailsIsTriedAgainBeforeTheLeaseEnds) {
  lead();
  until_ = leadership_.until();
  election_.next("renew", fail(ErrorKind::unavailable, "no network"));
  pass(kLease / 3);
  ASSERT_TRUE(run_until([this] { return !candidacy_.trouble().empty(); }));
  EXPECT_EQ(candidacy_.trouble(), "no network");
  EXPECT_TRUE(leadership_.held());
  pass(seconds(1));
  ASSERT_TRUE(run_until([this] { return leadership_.until() != until_; }));
  EXPECT_EQ(candidacy_.trouble(), "");
  EXPECT_EQ(said_, Words{"elected"});
}

TEST_F(Candidate, ALeaderWhoseRenewalsFailIsDeposedAtTheEndOfItsLeaseWithTheReason) {
  lead();
  election_.next("renew", fail(ErrorKind::unavailable, "no network"));
  pass(kLease / 3);
  ASSERT_TRUE(run_until([this] { return !candidacy_.trouble().empty(); }));
  election_.hold("renew");
  election_.leader("another");
  pass(kLease);
  EXPECT_EQ(said_, (Words{"elected", "deposed: no network"}));
}

TEST_F(Candidate, ALeaseThatTheStoreHasGivenAwayIsLostAtOnce) {
  lead();
  election_.next("renew", fail(ErrorKind::not_permitted, "another one leads"));
  election_.leader("another");
  pass(kLease / 3);
  ASSERT_TRUE(run_until([this] { return !candidacy_.leads(); }));
  EXPECT_FALSE(leadership_.held());
  EXPECT_EQ(said_, (Words{"elected", "deposed: another one leads"}));
  pass(2 * kLease);
  EXPECT_EQ(said_.size(), 2U) << "nothing ends twice";
  stop();
  EXPECT_EQ(election_.count("resign"), 0U);
}

TEST_F(Candidate, AVictoryThatIsToldAfterItsLeaseHasEndedIsNone) {
  election_.hold("campaign");
  begin();
  poll();
  pass(kLease);
  election_.go_on();
  ASSERT_TRUE(run_until([this] { return said_.size() == 2; }));
  EXPECT_FALSE(leadership_.held());
  EXPECT_FALSE(candidacy_.leads());
  EXPECT_EQ(said_[0], "elected");
}

TEST_F(Candidate, OneThatStopsWhileARenewalHangsReleasesItsLeaseAfterThat) {
  lead();
  election_.hold("renew");
  pass(kLease / 3);
  begin_to_stop();
  EXPECT_FALSE(ended_);
  election_.go_on();
  ASSERT_TRUE(run_until([this] { return ended_; }));
  EXPECT_EQ(election_.calls(), (Words{"campaign", "renew", "resign"}));
  EXPECT_FALSE(leadership_.held());
  EXPECT_EQ(said_, Words{"elected"});
}

TEST_F(Candidate, OneThatStopsWhileItWinsDoesNotLeadAndReleasesTheLease) {
  election_.hold("campaign");
  begin();
  begin_to_stop();
  EXPECT_FALSE(ended_);
  election_.go_on();
  ASSERT_TRUE(run_until([this] { return ended_; }));
  EXPECT_EQ(election_.calls(), (Words{"campaign", "resign"}));
  EXPECT_TRUE(said_.empty());
}

TEST_F(Candidate, OneThatStopsWhileItReadsAheadEndsAfterThat) {
  read_waits_ = true;
  election_.leader("another");
  begin();
  ASSERT_TRUE(run_until([this] { return reads_ > 0; }));
  begin_to_stop();
  EXPECT_FALSE(ended_);
  read_waits_ = false;
  read_.notify();
  ASSERT_TRUE(run_until([this] { return ended_; }));
  EXPECT_EQ(election_.calls(), (Words{"campaign", "resign"}));
}

TEST_F(Candidate, OneThatStopsWhileItWaitsForAChangeEnds) {
  stand_by();
  stop();
  EXPECT_EQ(election_.count("resign"), 1U);
  EXPECT_TRUE(said_.empty());
}

TEST_F(Candidate, OneThatStandsByTakesOverWhenTheLeaderHasGone) {
  stand_by();
  EXPECT_EQ(candidacy_.leader().name, "another");
  pass(seconds(5));
  EXPECT_GE(candidacy_.lag(), seconds(5));
  EXPECT_LT(candidacy_.lag(), Millis::max());
  election_.leader("");
  ASSERT_TRUE(run_until([this] { return candidacy_.leads(); }));
  EXPECT_EQ(candidacy_.leader().name, "this one");
  EXPECT_EQ(said_, Words{"elected"});
}

TEST_F(Candidate, OneThatHoldsBackLetsAnotherOneWin) {
  begin(true);
  poll();
  EXPECT_TRUE(election_.calls().empty());
  pass(seconds(1));
  ASSERT_TRUE(run_until([this] { return candidacy_.leads(); }));
}

TEST_F(Candidate, AStoreThatCannotBeReachedIsAskedAgain) {
  election_.next("campaign", fail(ErrorKind::unavailable, "no network"));
  begin();
  ASSERT_TRUE(run_until([this] { return !candidacy_.trouble().empty(); }));
  EXPECT_TRUE(candidacy_.leader().name.empty());
  pass(seconds(1));
  ASSERT_TRUE(run_until([this] { return candidacy_.leads(); }));
  EXPECT_EQ(candidacy_.trouble(), "");
}

TEST_F(Candidate, AnExceptionOfTheStoreEndsNeitherTheCampaignNorTheLead) {
  election_.next("campaign", fail(ErrorKind::internal, "no memory"));
  begin();
  ASSERT_TRUE(run_until([this] { return failures_ == 1; }));
  pass(seconds(1));
  ASSERT_TRUE(run_until([this] { return candidacy_.leads(); }));
  until_ = leadership_.until();
  election_.next("renew", fail(ErrorKind::internal, "no memory"));
  pass(kLease / 3);
  ASSERT_TRUE(run_until([this] { return failures_ == 2; }));
  pass(seconds(1));
  pass(kLease / 3);
  ASSERT_TRUE(run_until([this] { return leadership_.until() != until_; }));
  EXPECT_EQ(election_.calls(), (Words{"campaign", "campaign", "renew", "renew"}));
  EXPECT_TRUE(leadership_.held());
  EXPECT_EQ(said_, Words{"elected"});
}

TEST_F(Candidate, OneThatStopsWhileACallThrowsEnds) {
  lead();
  election_.hold("renew");
  pass(kLease / 3);
  begin_to_stop();
  election_.next("renew", fail(ErrorKind::internal, "no memory"));
  election_.go_on();
  ASSERT_TRUE(run_until([this] { return failures_ == 1; }));
  pass(seconds(1));  // then it would try again
  ASSERT_TRUE(run_until([this] { return ended_; }));
  EXPECT_EQ(election_.count("resign"), 1U);
}

}  // namespace
}  // namespace smaster::server
