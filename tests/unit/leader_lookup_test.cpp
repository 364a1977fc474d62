// How an agent finds the master that leads, among masters that answer, refuse, are slow or are gone.
#include "agent/leader_lookup.hpp"

#include <memory>

#include "http_stand_in.hpp"
#include "loop_fixture.hpp"

namespace smaster::agent {
namespace {

namespace http = boost::beast::http;
using Found = std::optional<std::optional<std::size_t>>;

class FakeMaster final : public HttpStandIn {
 public:
  using HttpStandIn::HttpStandIn;
  [[nodiscard]] MasterAddress address() const { return {false, "127.0.0.1", port(), "/socket.io/master/"}; }
  int asked = 0;

 private:
  net::Task<> serve(net::Socket socket) override {
    const auto request = co_await read(socket);
    if (!request) co_return;
    ++asked;
    co_await wait_while_it_hangs();
    Response response(status(), 11);
    co_await write(socket, std::move(response));
  }
};

class Lookup : public LoopTest {
 protected:
  Lookup() : lookup_(std::make_shared<LeaderLookup>(context_, addresses(), nullptr)) {}
  ~Lookup() override {
    for (auto* const each : {&one_, &two_}) each->stop();
    run();
    lookup_.reset();
    poll();
  }

  std::vector<MasterAddress> addresses() { return {one_.address(), two_.address()}; }
  void find(Found& found) {
    const auto store = [](std::shared_ptr<LeaderLookup> lookup, Found& to, int& left) -> net::Task<> {
      to = co_await lookup->find();
      --left;
    };
    ++finding_;
    tasks_.spawn("find", store(lookup_, found, finding_));
  }
  Found find() {
    Found found;
    find(found);
    EXPECT_TRUE(run_until([this] { return finding_ == 0; }));
    return found;
  }

  FakeMaster one_{context_, tasks_};
  FakeMaster two_{context_, tasks_};
  std::shared_ptr<LeaderLookup> lookup_;
  int finding_ = 0;
};

TEST_F(Lookup, TheOneThatLeadsIsFound) {
  two_.answers(http::status::ok);
  EXPECT_EQ(find(), Found(1));
  net::Clock::advance(std::chrono::seconds(1));
  two_.answers(http::status::service_unavailable);
  one_.answers(http::status::ok);
  EXPECT_EQ(find(), Found(0));
}

TEST_F(Lookup, WithoutALeaderNoneIsFoundWhenAllHaveAnswered) {
  two_.hangs();
  Found found;
  find(found);
  ASSERT_TRUE(run_until([this] { return one_.asked == 1 && two_.asked == 1; }));
  poll();
  EXPECT_FALSE(found) << "the other one may lead";
  two_.answers(http::status::service_unavailable);
  ASSERT_TRUE(run_until([this] { return finding_ == 0; }));
  ASSERT_TRUE(found);
  EXPECT_FALSE(*found);
}

TEST_F(Lookup, AMasterThatDoesNotAnswerDelaysNobodyWhoseLeaderIsFound) {
  one_.hangs();
  two_.answers(http::status::ok);
  EXPECT_EQ(find(), Found(1));
}

TEST_F(Lookup, ManyAgentsAtOnceAskOnce) {
  two_.answers(http::status::ok);
  std::vector<Found> found(20);
  for (auto& each : found) find(each);
  ASSERT_TRUE(run_until([this] { return finding_ == 0; }));
  for (const auto& each : found) EXPECT_EQ(each, Found(1));
  EXPECT_EQ(two_.asked, 1);
}

TEST_F(Lookup, ALeaderOfAWhileAgoIsAskedAgainThoughAnotherMasterHasNotAnsweredYet) {
  one_.hangs();
  two_.answers(http::status::ok);
  EXPECT_EQ(find(), Found(1));
  net::Clock::advance(std::chrono::seconds(1));
  two_.answers(http::status::service_unavailable);
  one_.answers(http::status::ok);
  EXPECT_EQ(find(), Found(0)) << "the second one does not lead any more";
}

TEST_F(Lookup, AMasterThatIsGoneIsNotWaitedForWhenTheOtherLeads) {
  one_.stop();
  two_.answers(http::status::ok);
  EXPECT_EQ(find(), Found(1));
}

TEST_F(Lookup, OneWhoLooksMayGoWhileOthersWait) {
  two_.hangs();
  one_.hangs();
  Found found;
  find(found);
  ASSERT_TRUE(run_until([this] { return one_.asked == 1 && two_.asked == 1; }));
  lookup_.reset();  // the task keeps it
  two_.answers(http::status::ok);
  ASSERT_TRUE(run_until([this] { return finding_ == 0; }));
  EXPECT_EQ(found, Found(1));
}

}  // namespace
}  // namespace smaster::agent
