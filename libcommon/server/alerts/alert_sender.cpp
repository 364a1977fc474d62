#include "server/alerts/alert_sender.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/redirect_error.hpp>
#include <boost/beast/http.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <utility>

#include "base/outlet.hpp"
#include "base/text.hpp"
#include "json/json.hpp"
#include "net/clock.hpp"
#include "net/http_client.hpp"
#include "net/program.hpp"
#include "net/stream.hpp"

namespace smaster::server {
namespace {

namespace bj = boost::json;
namespace http = boost::beast::http;

constexpr Millis kHttpPatience{10'000};
constexpr Millis kFirstPause{2'000};
constexpr Millis kLongestPause{300'000};
constexpr std::chrono::hours kGiveUp{1};
constexpr std::size_t kMostAnswer = 65'536;
/// Discord, "Execute Webhook": a content has up to 2,000 characters.
constexpr std::size_t kDiscordContent = 1'900;

std::string_view notice_word(Notice::Kind kind) {
  return kind == Notice::Kind::begins ? "begins" : kind == Notice::Kind::lasts ? "lasts" : "over";
}

std::string notice_line(const Notice& notice) {
  const auto text = outlet::terminal(notice.text) + (notice.details.empty() ? "" : "\n" + notice.details);
  const auto lasted = format_duration(std::chrono::floor<std::chrono::seconds>(notice.lasted));
  if (notice.kind == Notice::Kind::over) return "recovered after " + lasted + ": " + text;
  return notice.kind == Notice::Kind::lasts ? "still, for " + lasted + ": " + text : text;
}

bool is_discords(const std::string& url) { return url.find("/api/webhooks/") != std::string::npos; }

/// The URL without what follows its host: a webhook's path is a secret.
std::string shown_url(const std::string& url) {
  const auto host = url.find("//");
  return url.substr(0, url.find('/', host == std::string::npos ? 0 : host + 2)) + "/…";
}

}  // namespace

std::string AlertMessage::text() const {
  std::string text = server + ": ";
  const bool many = notices.size() > 1;
  if (many) text += std::to_string(notices.size()) + " alerts";
  for (std::size_t i = 0; i < std::min(notices.size(), kMostLines); ++i) {
    text += (many ? "\n- " : "") + notice_line(notices[i]);
  }
  if (notices.size() > kMostLines) text += "\n… and " + std::to_string(notices.size() - kMostLines) + " more";
  return text;
}

std::string AlertMessage::json(Time now) const {
  bj::array list;
  for (const auto& notice : notices) {
    list.push_back(bj::object{{"kind", notice_word(notice.kind)},
                              {"key", notice.key},
                              {"text", notice.text},
                              {"details", notice.details},
                              {"lasted_ms", notice.lasted.count()}});
  }
  return json::serialize(
      bj::object{{"server", server}, {"time", to_unix_ms(now)}, {"notices", std::move(list)}});
}

void AlertSender::send(const AlertMessage& message) {
  const auto& alerts = parts_.settings.alerts;
  auto urls = alerts.webhooks;
  if (!alerts.command.empty()) urls.emplace_back();
  const auto now = net::wall_clock();
  const auto text = message.text();
  const auto json = message.json(now);
  for (auto& url : urls) {
    if (waiting_ >= kMostWaiting) {
      spdlog::error("alerts: {} messages wait already; one is dropped: {}", waiting_, text);
      return;
    }
    ++waiting_;
    Delivery delivery{std::move(url), text, json, now};
    parts_.tasks.spawn("send an alert", deliver(std::move(delivery)), [this] { --waiting_; });
  }
}

bool AlertSender::is_receiver(const std::string& url) const {
  const auto& alerts = parts_.settings.alerts;
  if (url.empty()) return !alerts.command.empty();
  return std::find(alerts.webhooks.begin(), alerts.webhooks.end(), url) != alerts.webhooks.end();
}

void AlertSender::settings_changed() {
  if (!is_receiver(trouble_at_)) trouble_.clear();
}

net::Task<> AlertSender::deliver(Delivery delivery) {
  const auto where = delivery.url.empty() ? std::string("the program") : shown_url(delivery.url);
  Millis pause = kFirstPause;
  // Until its receiver is taken out of the settings.
  while (!stopped_ && is_receiver(delivery.url)) {
    Millis wait = pause;
    const auto done = co_await attempt(delivery, wait);
    if (done) {
      if (trouble_at_ == delivery.url) trouble_.clear();
      break;
    }
    if (trouble_ != done.error().message)
      spdlog::error("alerts: {} did not take one: {}", where, done.error().message);
    trouble_ = done.error().message;
    trouble_at_ = delivery.url;
    if (net::wall_clock() - delivery.made >= kGiveUp) {
      spdlog::error("alerts: {} did not take one for an hour; it is lost: {}", where, delivery.text);
      break;
    }
    pause = std::min(pause * 2, kLongestPause);
    net::Timer timer(parts_.context.get_executor(), wait);
    boost::system::error_code ignored;
    co_await timer.async_wait(net::asio::redirect_error(net::use_task, ignored));
  }
  settings_changed();
  --waiting_;
}

/// `pause`: set if the server says when to try again.
net::Task<Result<void>> AlertSender::attempt(const Delivery& delivery, Millis& pause) {
  if (delivery.url.empty()) {
    auto input = delivery.json;
    co_return co_await run_program(std::move(input));
  }
  auto url = delivery.url;
  auto body = delivery.json;
  if (is_discords(url)) {
    // No mentions: a bot's output could name everybody.
    const bj::object discord{{"content", outlet::cut(delivery.text, kDiscordContent)},
                             {"allowed_mentions", {{"parse", bj::array()}}}};
    body = json::serialize(discord);
  }
  co_return co_await post(std::move(url), std::move(body), pause);
}

net::Task<Result<void>> AlertSender::post(std::string url, std::string body, Millis& pause) {
  const auto parsed = net::parse_http_base(url.substr(0, url.find('?')));
  if (!parsed) co_return fail(ErrorKind::bad_config, "it is no URL: " + shown_url(url));
  auto endpoint = parsed->endpoint;
  if (parsed->secure) {
    const auto ca_file = parts_.settings.alerts.ca_file.string();
    auto tls =
        co_await net::run_in(parts_.rendering, [&ca_file] { return net::client_tls_context(ca_file); });
    if (!tls) co_return tls.error();
    endpoint.tls = std::move(*tls);
  }
  // parse_http_base ends the path with a slash.
  auto target = endpoint.path.size() > 1 ? endpoint.path.substr(0, endpoint.path.size() - 1) : endpoint.path;
  if (const auto query = url.find('?'); query != std::string::npos) target += url.substr(query);
  net::Request request{body.empty() ? http::verb::get : http::verb::post, target, 11};
  request.set(http::field::host, endpoint.authority());
  request.set(http::field::user_agent, "smaster/" SMASTER_VERSION);
  if (!body.empty()) request.set(http::field::content_type, "application/json");
  request.keep_alive(false);
  request.body() = std::move(body);
  request.prepare_payload();
  net::HttpClient client(parts_.context.get_executor(), endpoint);
  const auto response = co_await client.exchange(std::move(request), kHttpPatience, kMostAnswer);
  if (!response) co_return response.error();
  const auto status = response->result_int();
  if (status >= 200 && status < 300) co_return Result<void>();
  if (const auto after = parse_int<std::int64_t>(std::string((*response)[http::field::retry_after]))) {
    pause = std::clamp<Millis>(std::chrono::seconds(*after), pause, kLongestPause);
  }
  co_return fail(ErrorKind::unavailable, "it answered with HTTP status " + std::to_string(status));
}

net::Task<Result<void>> AlertSender::run_program(std::string input) {
  net::Program program;
  program.command = parts_.settings.alerts.command;
  program.input = std::move(input);
  net::OnLine log = [](net::Output, std::string_view line) { spdlog::debug("alerts: {}", line); };
  const auto name = program;
  const auto ended = co_await net::run_program(parts_.context, std::move(program), std::move(log));
  if (!ended) co_return ended.error();
  co_return ended->ok()
      ? Result<void>()
      : fail(ErrorKind::unavailable, name.command.front() + " ended with " + ended->text(name));
}

net::Task<> AlertSender::ping() {
  auto url = parts_.settings.alerts.alive_url;
  std::string nothing;
  Millis pause{0};
  const auto done = co_await post(std::move(url), std::move(nothing), pause);
  if (!done) spdlog::warn("alerts: alive_url: {}", done.error().message);
}

}  // namespace smaster::server
