// Bots that ask over HTTP whether they may log in: the answer, the client's end, the time limit and the bot's
// end come in every order.
#include "agent/bot/identify_server.hpp"

#include <boost/beast/http.hpp>
#include <memory>

#include "loop_fixture.hpp"
#include "net/http_client.hpp"

namespace smaster::agent {
namespace {

namespace http = boost::beast::http;
using Words = std::vector<std::string>;

/// Notes what it is told about each question, by its number.
class FakeOwner final : public IdentifyOwner {
 public:
  Logins::Ticket identify_asked(const IdentifyRequest& request, Logins::Answer answer) override {
    answers.push_back(std::move(answer));
    if (at_once) answers.back()(*at_once);
    return {request.id.value_or(kNoShard), std::to_string(answers.size())};
  }
  void identify_withdrawn(const Logins::Ticket& ticket) override {
    told.push_back("withdrawn " + ticket.number);
  }
  void identify_delivered(const Logins::Ticket& ticket) override {
    told.push_back("delivered " + ticket.number);
  }
  std::vector<Logins::Answer> answers;
  std::optional<std::string> at_once;
  Words told;
};

class Identify : public LoopTest {
 protected:
  Identify() {
    EXPECT_TRUE(server_.listen());
    address_.emplace(server_, owner_);
  }
  /// A bot's connection.
  struct Client {
    explicit Client(net::asio::io_context& context) : socket(context) {}
    net::Socket socket;
    unsigned status = 0;  ///< of the answer; 0: none yet
    bool ended = false;   ///< there was an answer, or the connection has ended
  };
  Client& ask(http::verb method = http::verb::get, const std::string& path = "") {
    const auto url = *net::parse_http_base(address_->url());
    auto& client = *clients_.emplace_back(std::make_unique<Client>(context_));
    client.socket.connect({net::asio::ip::address_v4::loopback(), url.endpoint.port});
    http::request<http::string_body> request(method, path.empty() ? url.endpoint.path + "?shard=0" : path,
                                             11);
    request.set(http::field::host, "localhost");
    request.prepare_payload();
    http::write(client.socket, request);
    tasks_.spawn("client", read(client));
    return client;
  }
  static net::Task<> read(Client& client) {
    boost::system::error_code error;
    boost::beast::flat_buffer buffer;
    http::response<http::string_body> response;
    co_await http::async_read(client.socket, buffer, response,
                              net::asio::redirect_error(net::use_task, error));
    if (!error) client.status = response.result_int();
    client.ended = true;
  }
  Client& asked(http::verb method = http::verb::get) {
    auto& client = ask(method);
    EXPECT_TRUE(run_until([this, before = owner_.answers.size()] { return owner_.answers.size() > before; }));
    return client;
  }
  void until_end(Client& client) {
    EXPECT_TRUE(run_until([&] { return client.ended; }));
    poll();
  }

  FakeOwner owner_;
  IdentifyServer server_{context_};
  std::optional<IdentifyServer::Address> address_;
  std::vector<std::unique_ptr<Client>> clients_;
};

TEST_F(Identify, APermitIsDeliveredWhenItIsGivenOrAtOnce) {
  auto& waits = asked();
  poll();
  EXPECT_FALSE(waits.ended);
  owner_.answers[0]("");
  until_end(waits);
  EXPECT_EQ(waits.status, 200U);
  owner_.at_once = "";
  auto& quick = asked(http::verb::post);
  until_end(quick);
  EXPECT_EQ(quick.status, 204U);
  EXPECT_EQ(owner_.told, (Words{"delivered 1", "delivered 2"}));
}

TEST_F(Identify, ARefusalIsNeitherDeliveredNorWithdrawn) {
  auto& client = asked();
  owner_.answers[0]("not to run here");
  until_end(client);
  EXPECT_EQ(client.status, 403U);
  EXPECT_TRUE(owner_.told.empty());
}

TEST_F(Identify, AClientThatLeavesWithdrawsItsQuestionOnceAndALateAnswerIsLost) {
  auto& client = asked();
  poll();
  client.socket.close();
  ASSERT_TRUE(run_until([this] { return !owner_.told.empty(); }));
  owner_.answers[0]("");
  poll();
  EXPECT_EQ(owner_.told, Words{"withdrawn 1"});
}

TEST_F(Identify, APermitForAClientThatHasJustLeftIsGivenBack) {
  auto& client = asked();
  poll();
  client.socket.close();
  owner_.answers[0]("");  // before its end is noticed
  ASSERT_TRUE(run_until([this] { return !owner_.told.empty(); }));
  poll();
  EXPECT_EQ(owner_.told, Words{"withdrawn 1"}) << "it will not log in";
}

TEST_F(Identify, APostWaitsForAWhileAndThenIsToAskAgain) {
  auto& client = asked(http::verb::post);
  poll();
  pass(std::chrono::seconds(20));
  until_end(client);
  EXPECT_EQ(client.status, 429U);
  owner_.answers[0]("");
  poll();
  EXPECT_EQ(owner_.told, Words{"withdrawn 1"});
}

TEST_F(Identify, APermitAtTheEndOfThatWhileIsDelivered) {
  auto& client = asked(http::verb::post);
  poll();
  net::Clock::advance(std::chrono::seconds(20));
  owner_.answers[0]("");
  pass(Millis{0});
  until_end(client);
  EXPECT_EQ(client.status, 204U);
  EXPECT_EQ(owner_.told, Words{"delivered 1"});
}

TEST_F(Identify, AGetWaitsAsLongAsItTakes) {
  auto& client = asked();
  pass(std::chrono::hours(10));
  EXPECT_FALSE(client.ended);
  owner_.answers[0]("");
  until_end(client);
  EXPECT_EQ(client.status, 200U);
}

TEST_F(Identify, TheEndOfABotEndsItsQuestionsAndNobodyIsToldAboutThem) {
  auto& waits = asked();
  auto& permitted = asked();
  poll();
  owner_.answers[1]("");  // not yet delivered
  address_.reset();
  owner_.answers[0]("");
  until_end(waits);
  until_end(permitted);
  EXPECT_EQ(waits.status, 0U);
  EXPECT_TRUE(owner_.told.empty());
}

TEST_F(Identify, ANewBotsAddressIsAnotherOne) {
  const auto old = net::parse_http_base(address_->url())->endpoint.path;
  address_.reset();
  address_.emplace(server_, owner_);
  auto& client = ask(http::verb::get, old);
  until_end(client);
  EXPECT_EQ(client.status, 404U);
  EXPECT_TRUE(owner_.answers.empty());
}

TEST_F(Identify, StrangersWhoSayNothingLeaveRoomForBots) {
  const auto port = net::parse_http_base(address_->url())->endpoint.port;
  std::vector<net::Socket> strangers;
  for (int i = 0; i < 100; ++i) {
    strangers.emplace_back(context_);
    strangers.back().connect({net::asio::ip::address_v4::loopback(), port});
    poll();
  }
  auto& client = asked();
  owner_.answers[0]("");
  until_end(client);
  EXPECT_EQ(client.status, 200U);
}

}  // namespace
}  // namespace smaster::agent
