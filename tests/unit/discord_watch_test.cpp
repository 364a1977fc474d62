// Asking Discord, which answers late, refuses, limits or does not answer: when it is asked again, and that a
// new token is used whatever happens meanwhile.
#include "server/planning/discord_watch.hpp"

#include <fstream>

#include "fleet_fixture.hpp"
#include "http_stand_in.hpp"

namespace smaster::server {
namespace {

namespace http = boost::beast::http;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

class DiscordStandIn final : public HttpStandIn {
 public:
  using HttpStandIn::HttpStandIn;
  [[nodiscard]] net::HttpEndpoint endpoint() const { return {"127.0.0.1", port(), "/api/v10/", nullptr}; }
  void answers(http::status status, std::string body = "", std::string retry_after = "") {
    body_ = std::move(body);
    retry_after_ = std::move(retry_after);
    HttpStandIn::answers(status);
  }
  /// The bot needs so many shards; its login limits start again after `reset_after`.
  void recommends(int shards, Millis reset_after = Millis{0}) {
    answers(http::status::ok, R"({"shards":)" + std::to_string(shards) +
                                  R"(,"session_start_limit":{"total":1000,"remaining":900,"reset_after":)" +
                                  std::to_string(reset_after.count()) + R"(,"max_concurrency":1}})");
  }
  std::vector<std::string> tokens;  ///< of each request
  int done = 0;                     ///< requests whose answer has arrived

 private:
  net::Task<> serve(net::Socket socket) override {
    const auto request = co_await read(socket);
    if (!request) co_return;
    const bool counts = request->target() == "/api/v10/gateway/bot";
    if (counts) {
      tokens.emplace_back((*request)[http::field::authorization]);
      co_await wait_while_it_hangs();
    }
    Response response(counts ? status() : http::status::not_found, 11);
    if (counts) response.body() = body_;
    if (!retry_after_.empty()) response.set(http::field::retry_after, retry_after_);
    co_await write(socket, std::move(response));
    // The client closes the connection once it has the answer.
    char rest[1];
    boost::system::error_code error;
    co_await socket.async_read_some(net::asio::buffer(rest), net::asio::redirect_error(net::use_task, error));
    if (counts) ++done;
  }

  std::string body_;
  std::string retry_after_;
};

class DiscordAsked : public FleetTest {
 protected:
  DiscordAsked() {
    auto& settings = server_->settings;
    settings.count_auto = true;
    settings.token_file = folder_ / "token";
    settings.api_base =
        "http://127.0.0.1:" + std::to_string(discord_.endpoint().port) + discord_.endpoint().path;
    settings.auto_generate = false;
    token("one");
    server_->start();
  }
  void TearDown() override {
    watch_.stop();
    discord_.stop();
    FleetTest::TearDown();
  }

  void token(const std::string& text) { std::ofstream(folder_ / "token") << text << '\n'; }
  void begin() { spawn(watch_.run(), ended_); }
  /// Until it has been answered so many times, and waits for the next time.
  void answered(int times) {
    ASSERT_TRUE(run_until([&] { return discord_.done >= times; }));
    ASSERT_EQ(discord_.done, times);
  }
  void asked(std::size_t times) {
    ASSERT_TRUE(run_until([&] { return discord_.tokens.size() >= times; }));
  }
  /// The number of requests. A request of our own is served first: one that is under way has arrived by then.
  std::size_t asked() {
    const auto ask = [](net::Executor executor, net::HttpEndpoint endpoint) -> net::Task<> {
      net::HttpClient client(executor, endpoint);
      net::Request request(http::verb::get, "/other", 11);
      request.keep_alive(false);
      (void)co_await client.exchange(std::move(request), seconds(600), 1000);
    };
    bool answered = false;
    spawn(ask(context_.get_executor(), discord_.endpoint()), answered);
    EXPECT_TRUE(run_until([&] { return answered; }));
    return discord_.tokens.size();
  }
  int goal() { return directory().goal().value; }

  DiscordStandIn discord_{context_, tasks_};
  DiscordWatch watch_{{context_, server_->settings, server_->goal, server_->rendering}};
  bool ended_ = false;
};

TEST_F(DiscordAsked, ItsRecommendationIsTheGoalUntilTheNextOne) {
  discord_.recommends(3);
  begin();
  answered(1);
  EXPECT_EQ(goal(), 3);
  EXPECT_EQ(discord_.tokens[0], "Bot one");
  discord_.recommends(4);
  pass(server_->settings.auto_detect_interval - minutes(1));
  EXPECT_EQ(asked(), 1U);
  pass(minutes(2));
  answered(2);
  EXPECT_EQ(goal(), 4);
}

TEST_F(DiscordAsked, WhenItsPeriodIsOverTooSinceLoginsAreAllowedAgainThen) {
  discord_.recommends(3, hours(1));
  begin();
  answered(1);
  pass(minutes(59));
  EXPECT_EQ(asked(), 1U);
  pass(minutes(2));
  answered(2);
}

TEST_F(DiscordAsked, FailuresDoubleThePauseAndAnAnswerResetsIt) {
  discord_.answers(http::status::bad_gateway);
  begin();
  answered(1);
  pass(seconds(6));
  answered(2);
  pass(seconds(6));
  EXPECT_EQ(asked(), 2U);
  discord_.answers(http::status::ok, "no JSON");
  pass(seconds(6));
  answered(3);
  discord_.recommends(3);
  pass(seconds(21));
  answered(4);
  discord_.answers(http::status::bad_gateway);
  watch_.settings_changed();
  answered(5);
  pass(seconds(6));
  answered(6);
}

TEST_F(DiscordAsked, ItIsNotAskedBeforeTheTimeItRequests) {
  discord_.answers(http::status::too_many_requests, "", "100");
  begin();
  answered(1);
  pass(seconds(90));
  EXPECT_EQ(asked(), 1U);
  watch_.ask_soon();
  EXPECT_EQ(asked(), 1U) << "there is no answer that may be outdated";
  discord_.recommends(3);
  pass(seconds(11));
  answered(2);
}

TEST_F(DiscordAsked, OneThatDoesNotAnswerIsGivenUp) {
  discord_.hangs();
  begin();
  asked(1);
  pass(seconds(16));
  pass(seconds(6));
  asked(2);
  discord_.recommends(3);
  ASSERT_TRUE(run_until([this] { return goal() == 3; }));
}

TEST_F(DiscordAsked, ARefusedTokenIsNotTriedAgainButANewOneIs) {
  discord_.answers(http::status::unauthorized);
  begin();
  answered(1);
  pass(hours(100));
  watch_.ask_soon();
  EXPECT_EQ(asked(), 1U);
  token("two");
  discord_.recommends(3);
  watch_.settings_changed();
  answered(2);
  EXPECT_EQ(discord_.tokens[1], "Bot two");
  EXPECT_EQ(goal(), 3);
}

TEST_F(DiscordAsked, ATokenThatComesWhileTheOldOneIsBeingRefusedIsTried) {
  discord_.hangs();
  begin();
  asked(1);
  token("two");
  watch_.settings_changed();
  discord_.answers(http::status::unauthorized);
  answered(1);
  ASSERT_EQ(asked(), 2U);
  EXPECT_EQ(discord_.tokens[1], "Bot two");
  answered(2);
  EXPECT_EQ(asked(), 2U) << "once is enough";
}

TEST_F(DiscordAsked, ATokenFileThatIsEmptyOrMissingIsReadAgainWhenSettingsChange) {
  token("");
  begin();
  EXPECT_EQ(asked(), 0U);
  std::filesystem::remove(folder_ / "token");
  watch_.settings_changed();
  EXPECT_EQ(asked(), 0U);
  discord_.recommends(3);
  token("one");
  watch_.settings_changed();
  answered(1);
}

TEST_F(DiscordAsked, SoonIsAMinuteAfterTheLastAnswerHoweverOftenItIsSaid) {
  discord_.recommends(3);
  begin();
  answered(1);
  pass(seconds(30));
  for (int i = 0; i < 5; ++i) watch_.ask_soon();
  EXPECT_EQ(asked(), 1U);
  pass(seconds(31));
  answered(2);
  pass(minutes(10));
  EXPECT_EQ(asked(), 2U);
  watch_.ask_soon();
  answered(3);
}

TEST_F(DiscordAsked, SoonDoesNotDelayARequestThatIsDueEarlier) {
  discord_.answers(http::status::bad_gateway);
  begin();
  answered(1);
  watch_.ask_soon();
  pass(seconds(6));
  answered(2);
}

TEST_F(DiscordAsked, StoppingEndsAPause) {
  discord_.recommends(3);
  begin();
  answered(1);
  watch_.stop();
  ASSERT_TRUE(run_until([this] { return ended_; }));
}

TEST_F(DiscordAsked, AnAnswerAfterTheEndChangesNothing) {
  discord_.hangs();
  begin();
  asked(1);
  watch_.stop();
  discord_.recommends(3);
  ASSERT_TRUE(run_until([this] { return ended_; }));
  EXPECT_EQ(goal(), -1);
  EXPECT_EQ(asked(), 1U);
}

TEST_F(DiscordAsked, CancellingEndsARequestThatHangs) {
  discord_.hangs();
  net::TaskScope tasks(context_.get_executor(), "test");
  tasks.spawn("ask", watch_.run());
  asked(1);
  tasks.cancel();
  ASSERT_TRUE(run_until([&] { return tasks.running() == 0; }));
}

}  // namespace
}  // namespace smaster::server
