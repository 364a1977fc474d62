#include "net/http_client.hpp"

#include <boost/asio/connect.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>
#include <utility>

#include "base/text.hpp"

namespace smaster::net {
namespace {

namespace http = boost::beast::http;

using Resolver = asio::ip::basic_resolver<tcp, Executor>;

Error unreachable(const HttpEndpoint& endpoint, const std::string& why) {
  return fail(ErrorKind::unavailable, "cannot reach " + endpoint.authority() + ": " + why);
}

Error too_slow(const HttpEndpoint& endpoint, Millis timeout) {
  return fail(ErrorKind::timed_out,
              endpoint.authority() + " did not answer within " + format_duration(timeout));
}

std::string tls_sentence(boost::system::error_code error, const Stream& stream) {
  const auto why = stream.certificate_error();
  return why.empty() ? "TLS: " + error.message() : "its certificate is not trusted: " + why;
}

}  // namespace

std::string HttpEndpoint::authority() const {
  const auto name = host.find(':') == std::string::npos ? host : '[' + host + ']';
  return port == (tls ? 443 : 80) ? name : name + ':' + std::to_string(port);
}

std::optional<HttpUrl> parse_http_base(const std::string& text) {
  if (has_nul(text)) return std::nullopt;
  const auto url = boost::urls::parse_uri(text);
  if (!url || url->has_query() || url->has_fragment() || url->has_userinfo() || url->host().empty() ||
      has_nul(url->host()))
    return std::nullopt;
  const bool secure = url->scheme() == "https";
  if (!secure && url->scheme() != "http") return std::nullopt;
  const auto port = url->has_port() ? parse_int<std::uint16_t>(std::string_view(url->port()))
                                    : std::optional<std::uint16_t>(secure ? 443 : 80);
  if (!port || *port == 0) return std::nullopt;
  std::string path(url->encoded_path());
  // Boost 1.81 parses "127.0.0.1.example.org" as an address followed by a path.
  if (!path.empty() && !path.starts_with('/')) return std::nullopt;
  if (!path.ends_with('/')) path += '/';
  return HttpUrl{{url->host_address(), *port, std::move(path), nullptr}, secure};
}

std::optional<HttpUrl> parse_http_url(const std::string& text) {
  auto url = parse_http_base(text);
  return url && url->endpoint.path == "/" ? std::move(url) : std::nullopt;
}

std::optional<HttpEndpoint> parse_host_port(const std::string& text) {
  const auto whole = "http://" + text;
  const auto url = boost::urls::parse_uri(whole);
  if (!url || !url->has_port()) return std::nullopt;
  auto parsed = parse_http_url(whole);
  if (!parsed) return std::nullopt;
  return std::move(parsed->endpoint);
}

Deadline::Deadline(Stream& stream, Millis after)
    : state_(std::make_shared<State>(State{&stream})), timer_(stream.get_executor(), after) {
  timer_.async_wait([state = state_](boost::system::error_code error) {
    if (error || state->stream == nullptr) return;
    state->expired = true;
    beast_close_socket(*state->stream);
  });
}

Task<Result<std::unique_ptr<Stream>>> open_stream(Executor executor, const HttpEndpoint& endpoint,
                                                  Millis timeout) {
  if (has_nul(endpoint.host)) co_return unreachable(endpoint, "a host's name has no NUL character in it");
  boost::system::error_code error;
  Resolver resolver(executor);
  const auto found =
      co_await resolver.async_resolve(endpoint.host, std::to_string(endpoint.port), Resolver::numeric_service,
                                      asio::redirect_error(use_task, error));
  if (error) co_return unreachable(endpoint, error.message());

  auto stream = std::make_unique<Stream>(Socket(executor));
  const Deadline deadline(*stream, timeout);
  co_await asio::async_connect(stream->socket(), found, asio::redirect_error(use_task, error));
  if (deadline.expired()) co_return too_slow(endpoint, timeout);
  if (error) co_return unreachable(endpoint, error.message());
  stream->socket().set_option(tcp::no_delay(true), error);
  if (endpoint.tls) {
    error = co_await stream->start_tls(*endpoint.tls, endpoint.host);
    if (deadline.expired()) co_return too_slow(endpoint, timeout);
    if (error) co_return unreachable(endpoint, tls_sentence(error, *stream));
  }
  co_return stream;
}

Task<Result<Response>> HttpClient::exchange(Request request, Millis timeout, std::size_t max_body) {
  if (!stream_) {
    auto opened = co_await open_stream(executor_, endpoint_, timeout);
    if (!opened) co_return opened.error();
    if (dropped_) co_return unreachable(endpoint_, "given up");
    stream_ = std::move(*opened);
    buffer_.clear();
  }
  request.set(http::field::host, endpoint_.authority());
  request.set(http::field::user_agent, "smaster/" SMASTER_VERSION);
  request.prepare_payload();

  boost::system::error_code error;
  http::response_parser<http::string_body> parser;
  parser.body_limit(max_body);
  bool expired = false;
  {
    const Deadline deadline(*stream_, timeout);
    co_await http::async_write(*stream_, request, asio::redirect_error(use_task, error));
    if (!error) co_await http::async_read(*stream_, buffer_, parser, asio::redirect_error(use_task, error));
    expired = deadline.expired();
  }
  if (error) {
    stream_.reset();
    co_return expired ? too_slow(endpoint_, timeout) : unreachable(endpoint_, error.message());
  }
  auto response = parser.release();
  if (!response.keep_alive()) stream_.reset();
  co_return response;
}

void HttpClient::drop() {
  dropped_ = true;
  boost::system::error_code ignored;
  if (stream_) stream_->socket().close(ignored);
}

}  // namespace smaster::net
