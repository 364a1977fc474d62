#include "discord/gateway.hpp"

#include <boost/json/object.hpp>
#include <utility>

#include "base/text.hpp"
#include "json/json.hpp"
#include "net/address.hpp"
#include "net/clock.hpp"

namespace smaster::discord {
namespace {

namespace http = boost::beast::http;

constexpr Millis kTimeout{15'000};
constexpr std::size_t kMaxAnswer = 64u << 10;
constexpr std::int64_t kMaxShards = 1'000'000;
constexpr std::int64_t kLongestReset = 48 * std::int64_t{3'600'000};

/// Reads Retry-After from the header, or retry_after from the body: seconds, possibly with a fraction.
std::optional<Millis> retry_after(const net::Response& response) {
  std::string text(response[http::field::retry_after]);
  if (text.empty()) {
    const auto body = json::parse(response.body());
    double seconds = 0;
    if (body && body->is_object()) json::read(body->get_object(), "retry_after", seconds);
    if (seconds > 0) text = std::to_string(seconds);
  }
  char* end = nullptr;
  const double seconds = std::strtod(text.c_str(), &end);
  if (text.empty() || end == text.c_str() || !(seconds >= 0) || seconds > 86'400) return std::nullopt;
  return Millis{static_cast<std::int64_t>(seconds * 1000) + 1};
}

}  // namespace

Result<GatewayBot> parse_gateway_bot(std::string_view text, Time now) {
  const auto wrong = fail(ErrorKind::bad_data, "Discord's answer is not that of GET /gateway/bot");
  const auto value = json::parse(text);
  if (!value || !value->is_object()) return wrong;
  const auto* const limit = json::object_at(value->get_object(), "session_start_limit");
  if (limit == nullptr) return wrong;
  std::int64_t shards = -1, total = -1, remaining = -1, reset_after = -1, concurrency = -1;
  json::read(value->get_object(), "shards", shards);
  json::read(*limit, "total", total);
  json::read(*limit, "remaining", remaining);
  json::read(*limit, "reset_after", reset_after);
  json::read(*limit, "max_concurrency", concurrency);
  if (shards < 1 || shards > kMaxShards || total < 0 || remaining < 0 || reset_after < 0 ||
      reset_after > kLongestReset || concurrency < 1 || concurrency > kMaxShards) {
    return wrong;
  }
  GatewayBot answer;
  answer.recommended.value = static_cast<std::int32_t>(shards);
  answer.limits.max_concurrency = static_cast<std::int32_t>(concurrency);
  answer.limits.remaining = remaining;
  answer.limits.total = total;
  answer.limits.reset_at = now + Millis{reset_after};
  return answer;
}

Result<net::HttpEndpoint> parse_api_base(const std::string& text) {
  auto url = net::parse_http_base(text);
  if (!url) {
    return fail(ErrorKind::bad_config, '"' + text + "\" is no address such as https://discord.com/api/v10");
  }
  const auto& host = url->endpoint.host;
  if (!url->secure && host != "localhost" && !net::is_loopback(host)) {
    return fail(ErrorKind::bad_config,
                '"' + text + "\" would send the token in clear; http is for this machine only");
  }
  return std::move(url->endpoint);
}

net::Task<std::variant<GatewayBot, GatewayFailure>> fetch_gateway_bot(net::Executor executor,
                                                                      const net::HttpEndpoint& endpoint,
                                                                      const std::string& token) {
  net::HttpClient client(executor, endpoint);
  net::Request request(http::verb::get, endpoint.path + "gateway/bot", 11);
  request.set(http::field::authorization, "Bot " + token);
  request.keep_alive(false);
  const auto response = co_await client.exchange(std::move(request), kTimeout, kMaxAnswer);
  GatewayFailure failure;
  if (!response) {
    failure.message = response.error().message;
    co_return failure;
  }
  if (response->result() == http::status::ok) {
    auto answer = parse_gateway_bot(response->body(), net::fleet_clock());
    if (answer) co_return std::move(*answer);
    failure.message = answer.error().message;
    co_return failure;
  }
  failure.token_refused = response->result() == http::status::unauthorized;
  if (response->result() == http::status::too_many_requests) failure.retry_after = retry_after(*response);
  failure.message = failure.token_refused ? "Discord says that the bot's token is wrong (401)"
                                          : "Discord answers HTTP " + std::to_string(response->result_int());
  co_return failure;
}

}  // namespace smaster::discord
