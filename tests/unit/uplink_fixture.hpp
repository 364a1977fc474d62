// An agent's connection to a master that does what a test says: it refuses, proves itself late or wrongly,
// answers or goes.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/uplink.hpp"
#include "net/engineio/http_listener.hpp"
#include "net/engineio/server.hpp"
#include "server_fixture.hpp"

namespace smaster::agent {

class MasterStandIn final : public net::Application {
 public:
  explicit MasterStandIn(net::asio::io_context& context)
      : admits_(context.get_executor()),
        descriptors_(context),
        engine_(context, options(), *this),
        listener_(context, engine_, *this, descriptors_),
        signer_(*crypto::Signer::load(server::ServerTest::keys().private_pem)) {
    EXPECT_TRUE(listener_.listen("127.0.0.1", 0));
  }
  void stop() {
    hold = false;
    admits_.notify();
    engine_.close_all();
    listener_.stop();
  }
  [[nodiscard]] MasterAddress address() const {
    return {false, "127.0.0.1", listener_.endpoint().port(), "/socket.io/"};
  }

  void send(std::string_view message) {
    ASSERT_NE(link, nullptr);
    link->send_frame(engineio::text_frame(engineio::PacketType::message, message));
  }
  void event(std::string_view name) { send("2[\"" + std::string(name) + "\"]"); }
  /// The proof is of `age` ago. `more`: further arguments, with a comma in front.
  void prove(Millis age = Millis{0}, const std::string& more = "") {
    const auto text = kProof + std::to_string(to_unix_ms(net::wall_clock() - age));
    say_proof(text, signer_.sign(text), more);
  }
  void say_proof(const std::string& text, const std::string& signature, const std::string& more = "") {
    send(R"(2["masterVerification",")" + signature + R"(",")" + text + '"' + more + ']');
  }
  [[nodiscard]] std::string sign(const std::string& text) const { return signer_.sign(text); }
  /// The number of received events of this name.
  [[nodiscard]] std::size_t count(std::string_view event) const {
    std::size_t found = 0;
    for (const auto& message : received) found += id_of(message, event) ? 1 : 0;
    return found;
  }
  /// The message that answers the last event of this name.
  [[nodiscard]] std::string answer_to(std::string_view event, const std::string& arguments) const {
    for (auto at = received.rbegin(); at != received.rend(); ++at) {
      if (const auto id = id_of(*at, event)) return '3' + *id + '[' + arguments + ']';
    }
    return {};
  }

  static constexpr auto kProof = "Look at me, I'm the captain now. ";
  bool leads = true;
  bool hold = false;    ///< does not answer handshakes for now
  bool proves = true;   ///< when a shard has joined
  unsigned refuse = 0;  ///< the status of handshakes; 0: they are accepted
  int asked = 0;        ///< handshakes
  int looked = 0;       ///< questions whether it leads
  int joined = 0;
  net::Link* link = nullptr;  ///< of the last session
  std::vector<std::string> received;

  // net::Application
  net::Task<net::Admission> admit(net::HandshakeRequest) override {
    ++asked;
    while (hold) co_await admits_.wait();
    if (refuse != 0) co_return net::Refusal{refuse, "not you", {}};
    co_return std::make_unique<Session>(*this);
  }
  net::Task<net::Answer> answer(const net::Request& request, const net::asio::ip::address&) override {
    namespace http = boost::beast::http;
    ++looked;
    net::Response response(leads ? http::status::ok : http::status::service_unavailable, request.version());
    response.prepare_payload();
    co_return response;
  }

 private:
  class Session final : public net::Upper {
   public:
    explicit Session(MasterStandIn& master) : master_(master) {}
    void opened(net::Link& link, Instant) override {
      link_ = &link;
      master_.link = &link;
    }
    void receive(bool, std::string_view data) override {
      if (!data.starts_with('0')) return master_.received.emplace_back(data), void();
      ++master_.joined;
      master_.send(R"(0{"sid":"s"})");
      if (master_.proves) master_.prove();
    }
    void closed(engineio::CloseReason) override {
      if (master_.link == link_) master_.link = nullptr;
    }

   private:
    MasterStandIn& master_;
    net::Link* link_ = nullptr;
  };

  /// Only a test advances the clock, by less than this: no session ends without its word.
  static net::EngineOptions options() {
    net::EngineOptions options;
    options.engine.ping_interval = options.engine.ping_timeout = std::chrono::hours(10);
    return options;
  }
  /// The ack id of a message, which may be empty; nullopt: it is not this event.
  static std::optional<std::string> id_of(const std::string& message, std::string_view event) {
    const auto at = message.find("[\"" + std::string(event) + '"');
    if (!message.starts_with('2') || at == std::string::npos) return std::nullopt;
    return message.substr(1, at - 1);
  }

  net::Event admits_;
  net::Descriptors descriptors_;
  net::EngineServer engine_;
  net::HttpListener listener_;
  crypto::Signer signer_;
};

class UplinkTest : public LoopTest, public UplinkOwner {
 protected:
  using Words = std::vector<std::string>;

  UplinkTest() : UplinkTest(1) {}
  /// With so many masters, two at most.
  explicit UplinkTest(int masters)
      : config_{*ShardName::parse_seat("abc"),
                {master_.address()},
                *crypto::Signer::load(server::ServerTest::keys().private_pem),
                server::ServerTest::keys().public_pem,
                "shard_abc_config.json"} {
    if (masters > 1) config_.masters.push_back(other_.address());
  }
  void TearDown() override {
    if (uplink_) end();
    master_.stop();
    other_.stop();
    poll();
    pool_.join();
  }

  void begin() {
    make();
    spawn(uplink_->run(), ended_);
  }
  void make() {
    auto lookup = std::make_shared<LeaderLookup>(context_, config_.masters, nullptr);
    uplink_.emplace(context_, pool_, UplinkOptions{config_, 0, std::move(lookup), "{}"}, *this);
  }
  void connect() {
    begin();
    ASSERT_TRUE(until_up());
  }
  [[nodiscard]] bool until_up() {
    return run_until([this] { return uplink_->up(); });
  }
  /// Until so much was said to the owner.
  [[nodiscard]] bool until_said(std::size_t words) {
    return run_until([&] { return said_.size() >= words; });
  }
  /// Until it has had all that the master has sent.
  void settle() {
    master_.event("settle");
    ASSERT_TRUE(run_until([this] { return settled_; }));
    settled_ = false;
  }
  /// The master ends the connection.
  void lose() {
    master_.link->close_session();
    ASSERT_TRUE(run_until([this] { return !uplink_->up(); }));
    poll();
  }
  void end() {
    uplink_->stop();
    run();
    uplink_.reset();
  }

  // UplinkOwner
  void uplink_up(Millis) override { said_.emplace_back("up"); }
  void uplink_down(const std::string& why, std::optional<Millis>) override {
    said_.push_back("down: " + why);
  }
  void uplink_refused(const std::string& why) override { said_.push_back("refused: " + why); }
  void uplink_heard() override { ++heard_; }
  void uplink_event(std::string_view name, std::optional<socketio::AckId>, socketio::Arguments) override {
    if (name == "settle") {
      settled_ = true;
      return;
    }
    said_.emplace_back(name);
    if (on_event_) on_event_();
  }

  MasterStandIn master_{context_};
  MasterStandIn other_{context_};
  net::asio::thread_pool pool_{1};
  ShardConfig config_;
  std::optional<Uplink> uplink_;
  bool ended_ = false;
  Words said_;  ///< to the owner
  int heard_ = 0;
  bool settled_ = false;
  std::function<void()> on_event_;
};

}  // namespace smaster::agent
