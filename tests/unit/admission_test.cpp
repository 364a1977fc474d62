// Handshakes during which a shard is revoked, a header comes twice, the lead is lost, or the store fails.
#include "server/admission/admission.hpp"

#include "fleet_fixture.hpp"

namespace smaster::server {
namespace {

using Does = FakeStore::Does;
using std::chrono::seconds;

class Handshakes : public FleetTest {
 protected:
  ~Handshakes() override {
    admitted_.clear();
    poll();
  }

  /// A handshake's outcome: 200, or the status of its refusal; 0 while it goes on.
  struct Outcome {
    unsigned status = 0;
    std::unique_ptr<net::Upper> session;
  };
  net::HandshakeRequest request(std::string_view who, Millis ahead = Millis{0},
                                const std::string& query = "") {
    const auto time = std::to_string(to_unix_ms(net::wall_clock() + ahead));
    net::HandshakeRequest request;
    request.peer = net::asio::ip::make_address("10.0.0.1");
    request.authorization = std::string(who) + ',' + signer_.sign(std::string(who) + time) + ',' + time;
    request.query = query;
    return request;
  }
  Outcome& begin(net::HandshakeRequest request) {
    auto& outcome = *admitted_.emplace_back(std::make_unique<Outcome>());
    const auto decide = [](Admission& admission, net::HandshakeRequest asked, Outcome& to) -> net::Task<> {
      auto decided = co_await admission.decide(std::move(asked));
      if (const auto* const refusal = std::get_if<net::Refusal>(&decided)) {
        to.status = refusal->status;
      } else {
        to.session = std::move(std::get<std::unique_ptr<net::Upper>>(decided));
        to.status = 200;
      }
    };
    tasks_.spawn("handshake", decide(admission_, std::move(request), outcome));
    return outcome;
  }
  Outcome& decide(net::HandshakeRequest request) {
    auto& outcome = begin(std::move(request));
    run();
    return outcome;
  }
  /// Until the store writes that the shard's header is used: that is held.
  void until_header_is_saved(std::string_view who, Time used) {
    EXPECT_TRUE(run_until([&] { return shard(who).info.used.contains(used); }));
    poll();
  }
  static Time time_of(const net::HandshakeRequest& request) {
    const auto& text = *request.authorization;
    return from_unix_ms(std::stoll(text.substr(text.rfind(',') + 1)));
  }

  crypto::Signer signer_ = *crypto::Signer::load(keys().private_pem);
  Admission admission_{server_->admission_parts()};
  std::vector<std::unique_ptr<Outcome>> admitted_;
};

TEST_F(Handshakes, OfTwoWithOneHeaderAtOnceOneIsAdmitted) {
  know({info("abc")});
  const auto header = request("abc");
  auto& first = begin(header);
  auto& second = begin(header);
  run();
  EXPECT_EQ(first.status + second.status, 200U + 403U);
  EXPECT_EQ(decide(header).status, 403U);
  EXPECT_EQ(decide(request("abc", Millis{1})).status, 200U);
}

TEST_F(Handshakes, AHeaderIsUsedThoughTheStoreCouldNotSaveThat) {
  know({info("abc")});
  for (const auto each : {Does::fails, Does::throws}) {
    const auto header = request("abc", Millis{static_cast<int>(each)});
    fake().next({each});
    EXPECT_EQ(decide(header).status, 200U) << "shards are served from memory meanwhile";
    EXPECT_EQ(decide(header).status, 403U);
  }
  EXPECT_TRUE(shard("abc").dirty) << "it is saved later";
}

TEST_F(Handshakes, AShardThatIsRevokedDuringItsSignatureCheckIsRefused) {
  know({info("abc")});
  auto& outcome = begin(request("abc"));
  Result<void> removed;
  spawn(registration().remove({name("abc")}), removed);
  run();
  EXPECT_TRUE(removed);
  EXPECT_EQ(outcome.status, 403U);
}

TEST_F(Handshakes, AShardThatIsRevokedWhileItsHeaderIsSavedIsRefusedAndGone) {
  know({info("abc")});
  fake().hold();
  const auto header = request("abc");
  auto& outcome = begin(header);
  until_header_is_saved("abc", time_of(header));
  Result<void> removed;
  spawn(registration().remove({name("abc")}), removed);
  fake().go_on();
  run();
  EXPECT_EQ(outcome.status, 403U);
  EXPECT_FALSE(fake().row(name("abc")));
}

TEST_F(Handshakes, AHeaderOfARevokedShardIsUsedForTheShardThatGetsItsName) {
  know({info("abc")});
  fake().hold();
  const auto header = request("abc");
  begin(header);
  until_header_is_saved("abc", time_of(header));
  Result<void> removed;
  Result<void> added;
  spawn(registration().remove({name("abc")}), removed);
  fake().go_on();
  run();
  spawn(registration().add({info("abc")}), added);
  run();
  ASSERT_TRUE(removed && added);
  EXPECT_EQ(decide(header).status, 403U);
  EXPECT_EQ(decide(request("abc", Millis{1})).status, 200U);
}

TEST_F(Handshakes, AShardThatIsRevokedBetweenAdmissionAndConnectIsNotAttached) {
  know({info("abc")});
  auto& outcome = decide(request("abc"));
  ASSERT_EQ(outcome.status, 200U);
  Result<void> done;
  spawn(registration().remove({name("abc")}), done);
  run();
  spawn(registration().add({info("abc")}), done);
  run();
  RecordingLink link;
  outcome.session->opened(link, {});
  outcome.session->receive(false, "0");
  poll();
  EXPECT_TRUE(link.closed);
  EXPECT_EQ(shard("abc").session, nullptr);
  outcome.session->closed(engineio::CloseReason::server_close);
}

TEST_F(Handshakes, TheLastOfTwoAdmittedConnectionsKeepsTheShard) {
  know({info("abc")});
  auto& first = decide(request("abc"));
  auto& second = decide(request("abc", Millis{1}));
  RecordingLink links[2];
  for (auto* const each : {&first, &second}) {
    auto& link = links[each == &first ? 0 : 1];
    each->session->opened(link, {});
    each->session->receive(false, "0");
  }
  EXPECT_TRUE(links[0].closed);
  EXPECT_FALSE(links[1].closed);
  EXPECT_EQ(shard("abc").session, second.session.get());
  first.session->closed(engineio::CloseReason::server_close);
  EXPECT_EQ(shard("abc").session, second.session.get()) << "the end of the first is not that of the second";
  second.session->closed(engineio::CloseReason::server_close);
  EXPECT_EQ(shard("abc").session, nullptr);
}

TEST_F(Handshakes, AServerThatIsDeposedWhileItSavesAdmitsNobody) {
  know({info("abc")});
  fake().next({Does::another_leads});
  EXPECT_EQ(decide(request("abc")).status, 503U);
  fake().hold();
  const auto header = request("abc", Millis{1});
  auto& outcome = begin(header);
  until_header_is_saved("abc", time_of(header));
  server_->leadership.lose();
  fake().go_on();
  run();
  EXPECT_EQ(outcome.status, 503U);
  EXPECT_EQ(decide(request("abc", Millis{2})).status, 503U);
  server_->leadership.begin();
  EXPECT_EQ(decide(request("abc", Millis{3})).status, 200U);
}

TEST_F(Handshakes, AFurtherProcessWaitsUntilTheStoreHasIt) {
  know({info("abc")});
  fake().next({Does::works, Does::fails});
  EXPECT_EQ(decide(request("abc", Millis{0}, "process=1")).status, 503U);
  EXPECT_EQ(directory().find(name("abc-1")), nullptr);
  EXPECT_EQ(decide(request("abc", Millis{1}, "process=1")).status, 200U);
  EXPECT_TRUE(fake().row(name("abc-1")));
}

TEST_F(Handshakes, AnAddressThatFailsTooOftenWaitsAndThenMayTryAgain) {
  know({info("abc")});
  const auto& settings = server_->settings;
  for (std::uint32_t i = 0; i < settings.conn_count; ++i) {
    auto wrong = request("abc", Millis{i});
    wrong.authorization->replace(4, 4, "AAAA");
    EXPECT_EQ(decide(wrong).status, 403U);
  }
  EXPECT_EQ(decide(request("abc", Millis{50})).status, 429U);
  auto elsewhere = request("abc", Millis{51});
  elsewhere.peer = net::asio::ip::make_address("10.0.0.2");
  EXPECT_EQ(decide(elsewhere).status, 200U);
  pass(settings.conn_time);
  EXPECT_EQ(decide(request("abc", Millis{52})).status, 200U);
}

TEST_F(Handshakes, AStaleHeaderIsRefusedAndOneThatGotStaleStaysUsed) {
  know({info("abc")});
  const auto precision = server_->settings.timestamp_precision;
  EXPECT_EQ(decide(request("abc", -precision - seconds(60))).status, 403U);
  EXPECT_EQ(decide(request("abc", precision + seconds(60))).status, 403U);
  const auto header = request("abc");
  EXPECT_EQ(decide(header).status, 200U);
  pass(precision / 2);
  EXPECT_EQ(decide(request("abc")).status, 200U);
  EXPECT_EQ(decide(header).status, 403U) << "its time would still be accepted";
}

}  // namespace
}  // namespace smaster::server
