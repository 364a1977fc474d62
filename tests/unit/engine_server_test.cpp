// A session between its transports and the layer above: what is sent arrives, and nothing ends inside a call.
#include "net/engineio/server.hpp"

#include <gtest/gtest.h>

#include "net/engineio/client.hpp"
#include "net/engineio/http_listener.hpp"

namespace smaster::net {
namespace {

namespace http = boost::beast::http;
using engineio::CloseReason;
using engineio::PacketType;

engineio::Frame message(std::string_view text) { return engineio::text_frame(PacketType::message, text); }

/// What one end of a session saw; outlives it.
struct Seen {
  Link* link = nullptr;
  std::vector<std::string> received;
  std::vector<CloseReason> ends;
  std::function<void()> on_opened = [] {};
  std::function<void(std::string_view)> on_receive = [](std::string_view) {};
};

class Recorder final : public Upper {
 public:
  explicit Recorder(Seen& seen) : seen_(seen) {}
  void opened(Link& link, Instant) override {
    seen_.link = &link;
    seen_.on_opened();
  }
  void receive(bool, std::string_view data) override {
    seen_.received.emplace_back(data);
    seen_.on_receive(data);
  }
  void closed(CloseReason reason) override { seen_.ends.push_back(reason); }

 private:
  Seen& seen_;
};

class Admits final : public Application {
 public:
  explicit Admits(Seen& seen) : seen_(seen) {}
  Task<Admission> admit(HandshakeRequest) override { co_return std::make_unique<Recorder>(seen_); }
  Task<Answer> answer(const Request& request, const asio::ip::address&) override {
    co_return Response(http::status::ok, request.version());
  }

 private:
  Seen& seen_;
};

class EngineSessions : public testing::Test {
 protected:
  void SetUp() override { options_.engine.max_queued = 100'000; }

  std::string get(const std::string& target) {
    std::string body;
    const Request request(http::verb::get, target, 11);
    const auto ask = [&]() -> Task<> {
      auto outcome = co_await engine_->handle(request, asio::ip::make_address("127.0.0.1"));
      if (auto* const response = std::get_if<Response>(&outcome)) body = response->body();
    };
    TaskScope tasks(context_.get_executor(), "test");
    tasks.spawn("get", ask());
    context_.restart();
    context_.poll();
    return body;
  }
  void open_polling() {
    engine_.emplace(context_, options_, application_);
    ASSERT_NE(get("/socket.io/?EIO=4&transport=polling").find("\"sid\""), std::string::npos);
    ASSERT_NE(seen_.link, nullptr);
  }
  void run_until(const std::function<bool()>& done) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!done() && std::chrono::steady_clock::now() < until) context_.run_one_for(std::chrono::seconds(1));
    ASSERT_TRUE(done());
  }

  /// A listener, and one client of it.
  struct Connected {
    Connected(EngineSessions& test, Seen& client) : context(test.context_), upper(client) {
      test.engine_.emplace(test.context_, test.options_, test.application_);
      listener.emplace(test.context_, *test.engine_, test.application_, test.descriptors_);
      EXPECT_TRUE(listener->listen("127.0.0.1", 0));
      connection = std::make_shared<EngineClient>(
          context, HttpEndpoint{"127.0.0.1", listener->endpoint().port(), "/socket.io/", nullptr}, upper);
    }
    ~Connected() { listener->stop(); }
    void begin() { tasks.spawn("connect", connect()); }
    Task<> connect() {
      EngineClient::Authorize none = []() -> Task<std::string> { co_return ""; };
      const auto failure = co_await connection->connect(none);
      EXPECT_FALSE(failure);
    }

    asio::io_context& context;
    Recorder upper;
    std::optional<HttpListener> listener;
    std::shared_ptr<EngineClient> connection;
    TaskScope tasks{context.get_executor(), "test"};
  };

  asio::io_context context_{1};
  Seen seen_;
  Admits application_{seen_};
  EngineOptions options_;
  Descriptors descriptors_{context_};
  std::optional<EngineServer> engine_;
};

TEST_F(EngineSessions, AFullQueueOfAPollingClientEndsTheSessionInATurnOfItsOwn) {
  open_polling();
  for (int i = 0; i < 20; ++i) seen_.link->send_frame(message(std::string(10'000, 'x')));
  EXPECT_TRUE(seen_.ends.empty()) << "it ended inside the caller of send_frame";
  EXPECT_EQ(engine_->session_count(), 1u);
  context_.restart();
  context_.poll();
  EXPECT_EQ(seen_.ends, (std::vector{CloseReason::too_slow}));
  EXPECT_EQ(engine_->session_count(), 0u);
}

TEST_F(EngineSessions, ClosingEndsTheSessionInATurnOfItsOwn) {
  seen_.on_receive = [this](std::string_view) {
    seen_.link->close_session();
    EXPECT_TRUE(seen_.ends.empty());
    seen_.link->send_frame(message("nobody gets this"));
  };
  Seen client;
  Connected connected(*this, client);
  client.on_opened = [&] {
    connected.connection->send_frame(message("close, please"));
    connected.connection->send_frame(message("this one is not heard"));
  };
  connected.begin();
  run_until([&] { return !client.ends.empty() && !seen_.ends.empty(); });
  EXPECT_EQ(seen_.received, (std::vector<std::string>{"close, please"}));
  EXPECT_EQ(seen_.ends, (std::vector{CloseReason::server_close}));
  EXPECT_TRUE(client.received.empty());
}

TEST_F(EngineSessions, WhatIsSentInOpenedArrivesOnAWebsocketAndOnPolling) {
  seen_.on_opened = [this] { seen_.link->send_frame(message("welcome")); };
  Seen client;
  Connected connected(*this, client);
  connected.begin();
  run_until([&] { return !client.received.empty(); });
  EXPECT_FALSE(connected.connection->polling());
  EXPECT_EQ(client.received, (std::vector<std::string>{"welcome"}));
  connected.connection->abandon();

  auto handshake = get("/socket.io/?EIO=4&transport=polling");
  const auto sid = handshake.substr(handshake.find("sid\":\"") + 6, 20);
  std::string body;
  const Request request(http::verb::get, "/socket.io/?EIO=4&transport=polling&sid=" + sid, 11);
  const auto ask = [&]() -> Task<> {
    auto outcome = co_await engine_->handle(request, asio::ip::make_address("127.0.0.1"));
    auto* const poll = std::get_if<EngineServer::Poll>(&outcome);
    if (poll == nullptr) co_return;
    WaitingPoll waiting(context_.get_executor());
    engineio::Payload payload;
    EXPECT_EQ(poll->session->poll(waiting, payload), engineio::Session::Answer::ok);
    body = engineio::encode_payload(payload);
  };
  connected.tasks.spawn("poll", ask());
  context_.poll();
  EXPECT_EQ(body, "4welcome");
}

TEST_F(EngineSessions, AMessageThatMakesTheLayerAboveThrowEndsOnlyItsSession) {
  seen_.on_receive = [](std::string_view) { throw std::runtime_error("bad message"); };
  Seen client;
  Connected connected(*this, client);
  client.on_opened = [&] { connected.connection->send_frame(message("x")); };
  connected.begin();
  run_until([&] { return !client.ends.empty(); });
  EXPECT_EQ(seen_.ends, (std::vector{CloseReason::server_close}));
}

}  // namespace
}  // namespace smaster::net
