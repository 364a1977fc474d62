// Proofs with which one server uses another's control API: valid once, for one server, for one run of it, and
// for a while; and how many wrong ones an address may send.
#include "server/cluster/peer_link.hpp"

#include <deque>
#include <utility>

#include "server_fixture.hpp"

namespace smaster::server {
namespace {

using boost::beast::http::status;

class Peers : public ServerTest {
 protected:
  ~Peers() override { poll(); }

  /// A request with a proof made `ahead` of now.
  net::Request request(const std::string& nonce, Millis ahead = Millis{0}, const std::string& name = "one",
                       const std::string& instance = "run") {
    const auto time = std::to_string(to_unix_ms(net::wall_clock() + ahead));
    const auto text = "smaster control " + name + ' ' + instance + ' ' + time + ' ' + nonce;
    return with_proof(time + ',' + nonce + ',' + signer_.sign(text));
  }
  static net::Request with_proof(const std::string& proof) {
    net::Request request(boost::beast::http::verb::get, "/control", 11);
    request.set(boost::beast::http::field::authorization, proof);
    return request;
  }
  void begin(const net::Request& request, std::optional<status>& result,
             const std::string& from = "10.0.0.1") {
    const auto store = [](net::Task<status> task, std::optional<status>& to) -> net::Task<> {
      to = co_await std::move(task);
    };
    // They live as long as the connection they came on.
    const auto& kept = asked_.emplace_back(request, net::asio::ip::make_address(from));
    tasks_.spawn("judge", store(link_.judge(kept.first, kept.second, "one"), result));
  }
  std::optional<status> judge(const net::Request& request, const std::string& from = "10.0.0.1") {
    std::optional<status> result;
    begin(request, result, from);
    run();
    return result;
  }
  void poll() {
    context_.restart();
    context_.poll();
  }

  std::deque<std::pair<net::Request, net::Address>> asked_;
  crypto::Signer signer_ = *crypto::Signer::load(keys().private_pem);
  const std::string instance_ = "run";
  PeerLink link_{{context_, server_->settings, server_->proof, server_->signatures, instance_}};
};

TEST_F(Peers, AProofIsValidOnce) {
  const auto proof = request("a");
  EXPECT_EQ(judge(proof), status::switching_protocols);
  EXPECT_EQ(judge(proof), status::forbidden);
  EXPECT_EQ(judge(proof, "10.0.0.2"), status::forbidden) << "wherever it comes from";
  EXPECT_EQ(judge(request("b")), status::switching_protocols);
}

TEST_F(Peers, OfTwoConnectionsWithOneProofAtOnceOneIsAccepted) {
  const auto proof = request("a");
  std::optional<status> first, second;
  begin(proof, first);
  begin(proof, second, "10.0.0.2");
  run();
  EXPECT_EQ(first, status::switching_protocols);
  EXPECT_EQ(second, status::forbidden);
}

TEST_F(Peers, AProofIsForOneServerAndOneRunOfIt) {
  EXPECT_EQ(judge(request("a", Millis{0}, "two")), status::forbidden);
  EXPECT_EQ(judge(request("b", Millis{0}, "one", "the run before")), status::forbidden);
  EXPECT_EQ(judge(request("c")), status::switching_protocols);
}

TEST_F(Peers, AProofIsValidForAWhile) {
  const auto precision = server_->settings.timestamp_precision;
  const auto early = request("a", precision / 2);
  const auto late = request("b");
  const auto lost = request("c");
  EXPECT_EQ(judge(early), status::switching_protocols);
  pass(precision / 2);
  EXPECT_EQ(judge(late), status::switching_protocols);
  EXPECT_EQ(judge(early), status::forbidden) << "it is remembered as long as its time is accepted";
  pass(precision);
  EXPECT_EQ(judge(lost), status::forbidden);
  EXPECT_EQ(judge(early), status::forbidden);
  EXPECT_EQ(judge(request("d", -2 * precision)), status::forbidden);
}

TEST_F(Peers, AnAddressWithTooManyWrongProofsWaits) {
  const auto& settings = server_->settings;
  for (std::uint32_t i = 0; i < settings.conn_count; ++i) {
    EXPECT_EQ(judge(with_proof("nonsense")), status::forbidden);
  }
  EXPECT_EQ(judge(request("a")), status::too_many_requests) << "even with a good proof";
  EXPECT_EQ(judge(request("b"), "10.0.0.2"), status::switching_protocols) << "another address";
  pass(settings.conn_time);
  EXPECT_EQ(judge(request("c")), status::switching_protocols);
}

TEST_F(Peers, OfManyWrongProofsAtOnceOnlyAsManyAreChecked) {
  const auto most = server_->settings.conn_count;
  std::vector<std::optional<status>> results(most + 3);
  for (std::size_t i = 0; i < results.size(); ++i) {
    begin(request(std::to_string(i), Millis{0}, "two"), results[i]);
  }
  run();
  for (std::size_t i = 0; i < results.size(); ++i) {
    EXPECT_EQ(results[i], i < most ? status::forbidden : status::too_many_requests) << i;
  }
}

TEST_F(Peers, OneWhoFloodsIsRefusedAndDelaysNobodyForLong) {
  std::vector<std::optional<status>> results(18);
  std::optional<status> other;
  for (std::size_t i = 0; i < results.size(); ++i) begin(request(std::to_string(i)), results[i]);
  begin(request("other"), other, "10.0.0.2");
  run();
  EXPECT_EQ(results.front(), status::switching_protocols);
  EXPECT_EQ(results.back(), status::service_unavailable) << "one is checked, 16 wait";
  EXPECT_EQ(other, status::switching_protocols);
}

TEST_F(Peers, AKeyThatIsReplacedDuringACheckIsTheOneThatWasAskedFor) {
  std::optional<status> before;
  begin(request("a"), before);
  poll();
  server_->proof.set(*crypto::Signer::load(crypto::generate_key_pair(2048)->private_pem));
  run();
  EXPECT_EQ(before, status::switching_protocols);
  EXPECT_EQ(judge(request("b")), status::forbidden);
}

}  // namespace
}  // namespace smaster::server
