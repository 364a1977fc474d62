// Logins on the dashboard: how many guesses an address has, how long a session lasts, and what ends it.
#include <fstream>

#include "net/http_client.hpp"
#include "server/dashboard/dashboard.hpp"
#include "server_fixture.hpp"

namespace smaster::server {
namespace {

namespace beast = boost::beast;
namespace http = beast::http;
using std::chrono::hours;
using std::chrono::seconds;

/// Longer than all that passes here.
constexpr Millis kPatience = hours(1'000);

class DashboardLogins : public ServerTest {
 protected:
  DashboardLogins() {
    auto& settings = server_->settings.dashboard;
    settings.port = 0;
    settings.password_file = folder_ / "password";
    set_password("right");
    dashboard_.emplace(server_->dashboard_parts(), [](control::Call) -> net::Task<control::Answer> {
      co_return control::Reply{200, "{}"};
    });
    EXPECT_TRUE(dashboard_->listen());
  }
  ~DashboardLogins() override {
    dashboard_->stop();
    context_.restart();
    context_.poll();
    dashboard_.reset();
    context_.restart();
    context_.poll();
  }

  void set_password(const std::string& text) { std::ofstream(folder_ / "password") << text; }
  struct Answer {
    unsigned status = 0;  ///< 0: its head has not come
    std::string cookie;
    bool whole = false;
  };
  void begin(net::Request request, Answer& answer) {
    const auto exchange = [](net::Executor executor, net::HttpEndpoint endpoint, net::Request asked,
                             Answer& to) -> net::Task<> {
      const auto stream = co_await net::open_stream(executor, endpoint, kPatience);
      EXPECT_TRUE(stream) << (stream ? "" : stream.error().message);
      if (!stream) co_return;
      asked.set(http::field::host, endpoint.authority());
      asked.keep_alive(false);
      asked.prepare_payload();
      co_await http::async_write(**stream, asked, net::use_task);
      beast::flat_buffer buffer;
      http::response_parser<http::string_body> parser;
      co_await http::async_read_header(**stream, buffer, parser, net::use_task);
      to.status = parser.get().result_int();
      to.cookie = std::string(parser.get()[http::field::set_cookie]);
      to.cookie.resize(std::min(to.cookie.find(';'), to.cookie.size()));
      co_await http::async_read(**stream, buffer, parser, net::use_task);
      to.whole = true;
    };
    const net::HttpEndpoint endpoint{"127.0.0.1", dashboard_->endpoint().port(), "/", nullptr};
    tasks_.spawn("client", exchange(context_.get_executor(), endpoint, std::move(request), answer));
  }
  Answer ask(net::Request request) {
    Answer answer;
    begin(std::move(request), answer);
    run();
    EXPECT_TRUE(answer.whole);
    return answer;
  }
  /// The same while others wait for their answers.
  Answer ask_beside(net::Request request) {
    Answer answer;
    begin(std::move(request), answer);
    context_.restart();
    while (!answer.whole && context_.run_one() != 0) continue;
    return answer;
  }
  static net::Request guess(const std::string& password) {
    net::Request request(http::verb::post, "/api/login", 11);
    request.set(http::field::content_type, "application/json");
    request.body() = R"({"password":")" + password + "\"}";
    return request;
  }
  static net::Request get(const std::string& cookie, const std::string& path = "/api/about") {
    net::Request request(http::verb::get, path, 11);
    request.set(http::field::cookie, cookie);
    return request;
  }
  static net::Request with_bearer(const std::string& password) {
    net::Request request(http::verb::get, "/api/about", 11);
    request.set(http::field::authorization, "Bearer " + password);
    return request;
  }
  std::string log_in(const std::string& password = "right") {
    const auto answer = ask(guess(password));
    EXPECT_EQ(answer.status, 200U);
    return answer.cookie;
  }

  std::optional<Dashboard> dashboard_;
};

TEST_F(DashboardLogins, AfterFiveWrongGuessesAnAddressWaits) {
  for (int i = 0; i < 4; ++i) EXPECT_EQ(ask(guess("wrong")).status, 401U);
  EXPECT_EQ(ask(with_bearer("wrong")).status, 401U) << "counted together";
  EXPECT_EQ(ask(guess("right")).status, 429U);
  EXPECT_EQ(ask(with_bearer("right")).status, 429U);
  pass(seconds(11));
  EXPECT_EQ(ask(guess("right")).status, 200U);
}

TEST_F(DashboardLogins, OfManyGuessesAtOnceFiveAreChecked) {
  std::vector<Answer> answers(20);
  for (auto& answer : answers) begin(guess("wrong"), answer);
  run();
  std::map<unsigned, int> counts;
  for (const auto& answer : answers) ++counts[answer.status];
  EXPECT_EQ(counts, (std::map<unsigned, int>{{401, 5}, {429, 15}}));
}

TEST_F(DashboardLogins, RightOnesAreNotCountedAndDoNotForgiveWrongOnes) {
  for (int i = 0; i < 4; ++i) EXPECT_EQ(ask(guess("wrong")).status, 401U);
  for (int i = 0; i < 10; ++i) log_in();
  EXPECT_EQ(ask(guess("wrong")).status, 401U);
  EXPECT_EQ(ask(guess("wrong")).status, 429U);
}

TEST_F(DashboardLogins, ASessionEndsAfterTwelveHours) {
  const auto cookie = log_in();
  pass(hours(11));
  EXPECT_EQ(ask(get(cookie)).status, 200U);
  const auto second = log_in();
  pass(hours(1));
  EXPECT_EQ(ask(get(cookie)).status, 401U) << "from its beginning, however much it is used";
  EXPECT_EQ(ask(get(second)).status, 200U);
}

TEST_F(DashboardLogins, ANewPasswordEndsAllSessions) {
  const auto cookie = log_in();
  set_password("another");
  EXPECT_EQ(ask(get(cookie)).status, 401U);
  EXPECT_EQ(ask(guess("right")).status, 401U);
  const auto fresh = log_in("another");
  EXPECT_EQ(ask(get(fresh)).status, 200U);
  EXPECT_EQ(ask(get(cookie)).status, 401U);
}

TEST_F(DashboardLogins, WithoutItsFileNoPasswordIsRight) {
  const auto cookie = log_in();
  std::filesystem::remove(folder_ / "password");
  EXPECT_EQ(ask(get(cookie)).status, 401U);
  EXPECT_EQ(ask(guess("right")).status, 401U);
  EXPECT_EQ(ask(guess("")).status, 401U);
  EXPECT_EQ(ask(with_bearer("")).status, 401U);
  set_password("right");
  log_in();
}

TEST_F(DashboardLogins, ChangedPermissionsEndAllSessionsAndOtherSettingsNone) {
  const auto cookie = log_in();
  dashboard_->settings_changed();
  EXPECT_EQ(ask(get(cookie)).status, 200U);
  server_->settings.dashboard.allow = {"eval"};
  dashboard_->settings_changed();
  EXPECT_EQ(ask(get(cookie)).status, 401U);
}

TEST_F(DashboardLogins, LoggingOutEndsOneSession) {
  const auto one = log_in();
  const auto two = log_in();
  net::Request request(http::verb::post, "/api/logout", 11);
  request.set(http::field::content_type, "application/json");
  request.set(http::field::cookie, one);
  EXPECT_EQ(ask(std::move(request)).status, 200U);
  EXPECT_EQ(ask(get(one)).status, 401U);
  EXPECT_EQ(ask(get(two)).status, 200U);
}

TEST_F(DashboardLogins, WhoFollowsTheFleetSeesItUntilTheSessionEnds) {
  const auto cookie = log_in();
  Answer events;
  begin(get(cookie, "/api/events"), events);
  context_.restart();
  while (events.status == 0 && context_.run_one() != 0) continue;
  EXPECT_EQ(events.status, 200U);
  EXPECT_EQ(ask_beside(get(cookie)).status, 200U);
  for (int i = 0; i < 5; ++i) pass(seconds(1));
  EXPECT_FALSE(events.whole) << "it goes on";
  set_password("another");
  for (int i = 0; i < 20 && !events.whole; ++i) {
    EXPECT_EQ(ask_beside(get(cookie)).status, 401U);
    pass(seconds(1));
  }
  EXPECT_TRUE(events.whole);
}

}  // namespace
}  // namespace smaster::server
