#include "store/etcd_client.hpp"

#include <botan/base64.h>

#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>
#include <utility>

#include "base/text.hpp"
#include "json/json.hpp"

namespace smaster::store {
namespace {

namespace bj = boost::json;
namespace http = boost::beast::http;

constexpr std::size_t kMaxAnswer = 64u << 20;
constexpr const char* kDefaultPort = "2379";

/// gRPC codes for temporary failures of one server: deadline exceeded, unavailable.
bool passes(std::int64_t code) { return code == 4 || code == 14; }
constexpr std::int64_t kUnauthenticated = 16;
constexpr std::int64_t kInvalidArgument = 3;

Error from_etcd(const net::Response& response, std::int64_t code, const std::string& message) {
  const auto what = message.empty() ? "HTTP status " + std::to_string(response.result_int()) : message;
  if (code == kUnauthenticated || message.find("authentication failed") != std::string::npos ||
      message.find("permission denied") != std::string::npos) {
    return fail(ErrorKind::not_permitted,
                "etcd refuses us: " + what + "; see user and password in [store] url");
  }
  return fail(passes(code) ? ErrorKind::unavailable : ErrorKind::bad_data, "etcd: " + what);
}

std::optional<net::HttpEndpoint> parse_endpoint(const std::string& text) {
  auto endpoint = net::parse_host_port(text);
  if (!endpoint) endpoint = net::parse_host_port(text + ':' + kDefaultPort);
  if (endpoint) endpoint->path = "/v3/";
  return endpoint;
}

}  // namespace

Result<EtcdOptions> parse_etcd_url(const std::string& url,
                                   const std::shared_ptr<net::asio::ssl::context>& tls) {
  constexpr auto kForm = "is no address such as \"etcd://a:2379,b:2379,c:2379/smaster\"";
  std::string_view rest = url;
  const bool secure = rest.starts_with("etcds://");
  if (!secure && !rest.starts_with("etcd://")) return fail(ErrorKind::bad_config, kForm);
  rest.remove_prefix(secure ? 8 : 7);
  EtcdOptions options;
  const auto slash = rest.find('/');
  const auto prefix = slash == std::string_view::npos ? "" : trim(rest.substr(slash + 1));
  options.prefix = (prefix.empty() ? "smaster" : std::string(prefix)) + '/';
  if (options.prefix.ends_with("//")) options.prefix.pop_back();
  rest = rest.substr(0, slash);
  if (const auto at = rest.rfind('@'); at != std::string_view::npos) {
    const auto whole = "etcd://" + std::string(rest.substr(0, at)) + "@x/";
    const auto user = boost::urls::parse_uri(whole);
    if (!user) return fail(ErrorKind::bad_config, kForm);
    options.user = user->user();
    options.password = user->password();
    rest.remove_prefix(at + 1);
  }
  for (const auto text : split(rest, ',')) {
    auto endpoint = parse_endpoint(std::string(text));
    if (!endpoint) return fail(ErrorKind::bad_config, kForm);
    if (secure) endpoint->tls = tls;
    options.endpoints.push_back(std::move(*endpoint));
  }
  if (options.endpoints.empty()) return fail(ErrorKind::bad_config, kForm);
  return options;
}

std::string to_base64(std::string_view bytes) {
  return Botan::base64_encode(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
}

std::string from_base64(std::string_view text) {
  try {
    const auto raw = Botan::base64_decode(text.data(), text.size(), false);
    return {reinterpret_cast<const char*>(raw.data()), raw.size()};
  } catch (const std::exception&) {
    return {};
  }
}

std::int64_t number_at(const bj::object& object, std::string_view key) {
  const auto* const value = object.if_contains(key);
  if (value == nullptr) return 0;
  if (value->is_int64()) return value->get_int64();
  return value->is_string() ? parse_int<std::int64_t>(std::string_view(value->get_string())).value_or(0) : 0;
}

std::string range_end(std::string prefix) {
  ++prefix.back();  // prefixes end with "/", so incrementing the last byte cannot overflow
  return prefix;
}

Result<bj::object> EtcdClient::call(std::string_view path, const bj::object& body, Millis timeout) {
  const auto text = json::serialize(body);
  // Two more: for a kept connection that has closed, and for an expired token.
  const auto tries = options_.endpoints.size() + 2;
  const auto patience = timeout / static_cast<int>(options_.endpoints.size());
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  Result<bj::object> answer = fail(ErrorKind::unavailable, "etcd does not answer");
  auto next = Next::other;
  for (std::size_t i = 0; i < tries && std::chrono::steady_clock::now() < deadline; ++i) {
    const auto last = std::exchange(next, ask(path, text, patience, answer));
    if (next == Next::done) break;
    if (next == Next::other || last == Next::same) next_endpoint();
  }
  return answer;
}

EtcdClient::Next EtcdClient::ask(std::string_view path, const std::string& body, Millis timeout,
                                 Result<bj::object>& answer) {
  if (!options_.user.empty() && token_.empty()) {
    if (auto in = log_in(timeout); !in) {
      answer = in.error();
      return in.error().kind == ErrorKind::unavailable ? Next::other : Next::done;
    }
  }
  const bool kept = client_.has_value();
  const auto response = exchange(path, body, timeout);
  if (!response) {
    answer = fail(ErrorKind::unavailable, "etcd: " + response.error().message);
    return kept && response.error().kind != ErrorKind::timed_out ? Next::same : Next::other;
  }
  auto value = json::parse(response->body());
  if (!value || !value->is_object()) {
    answer = fail(ErrorKind::unavailable, "etcd: " + options_.endpoints[current_].authority() +
                                              " is no etcd, or not its client port");
    return Next::other;
  }
  auto& object = value->get_object();
  if (response->result() == http::status::ok && !object.contains("error")) {
    answer = std::move(object);
    return Next::done;
  }
  std::string message;
  json::read(object, "message", message);
  if (message.empty()) json::read(object, "error", message);
  const auto code = number_at(object, "code");
  answer = from_etcd(*response, code, message);
  // An expired token is rejected as invalid (code 16 in 3.4) or as from an older auth revision (code 3).
  const bool stale = !token_.empty() && (code == kUnauthenticated || code == kInvalidArgument) &&
                     message.find("auth") != std::string::npos;
  if (stale) {
    token_.clear();
    return Next::same;
  }
  return passes(code) ? Next::other : Next::done;
}

Result<void> EtcdClient::log_in(Millis timeout) {
  const auto body = json::serialize(bj::object{{"name", options_.user}, {"password", options_.password}});
  const auto response = exchange("auth/authenticate", body, timeout);
  if (!response) return fail(ErrorKind::unavailable, "etcd: " + response.error().message);
  const auto value = json::parse(response->body());
  std::string message;
  std::int64_t code = 0;
  if (value && value->is_object()) {
    json::read(value->get_object(), "token", token_);
    json::read(value->get_object(), "message", message);
    code = number_at(value->get_object(), "code");
  }
  if (token_.empty()) return from_etcd(*response, code, message);
  return {};
}

Result<net::Response> EtcdClient::exchange(std::string_view path, const std::string& body, Millis timeout) {
  const auto& endpoint = options_.endpoints[current_];
  if (!client_) client_.emplace(context_.get_executor(), endpoint);
  net::Request request(http::verb::post, endpoint.path + std::string(path), 11);
  request.set(http::field::content_type, "application/json");
  if (!token_.empty()) request.set(http::field::authorization, token_);
  request.body() = body;
  Result<net::Response> response = fail(ErrorKind::internal, "the request was not sent");
  net::asio::co_spawn(context_, client_->exchange(std::move(request), timeout, kMaxAnswer),
                      [&response](const std::exception_ptr& failure, Result<net::Response> result) {
                        if (!failure) response = std::move(result);
                      });
  context_.restart();
  context_.run();
  return response;
}

void EtcdClient::next_endpoint() {
  client_.reset();
  current_ = (current_ + 1) % options_.endpoints.size();
}

}  // namespace smaster::store
