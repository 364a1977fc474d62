// One kept-alive connection to an HTTP server, plain or over TLS. Requests run one after the other; if the
// server has closed the connection, the next request opens a new one.
#pragma once

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/result.hpp"
#include "net/asio.hpp"
#include "net/http.hpp"
#include "net/stream.hpp"

namespace smaster::net {

/// The address of a server.
struct HttpEndpoint {
  std::string host;  ///< a host name or an IP address, IPv6 without brackets
  std::uint16_t port = 0;
  std::string path;                         ///< begins and ends with "/"
  std::shared_ptr<asio::ssl::context> tls;  ///< null: plain HTTP

  /// The value of the Host header: without the port if it is the protocol's default.
  [[nodiscard]] std::string authority() const;
};

/// The parts of a URL. `endpoint.tls` is not set; the caller sets it if `secure`.
struct HttpUrl {
  HttpEndpoint endpoint;
  bool secure = false;
};
/// Parses "http(s)://host:port/path"; port and path are optional.
[[nodiscard]] std::optional<HttpUrl> parse_http_base(const std::string& text);
/// Like parse_http_base, but without a path.
[[nodiscard]] std::optional<HttpUrl> parse_http_url(const std::string& text);
/// Parses "host:port"; IPv6 addresses in brackets.
[[nodiscard]] std::optional<HttpEndpoint> parse_host_port(const std::string& text);

/// A timeout for operations on a stream: closes the stream when the time is over.
class Deadline {
 public:
  Deadline(Stream& stream, Millis after);
  ~Deadline() { state_->stream = nullptr; }
  [[nodiscard]] bool expired() const { return state_->expired; }

 private:
  struct State {
    /// Null once the Deadline is destroyed: the timer's handler may still be queued.
    Stream* stream = nullptr;
    bool expired = false;
  };
  std::shared_ptr<State> state_;
  Timer timer_;
};

/// Connects, with TLS if the endpoint has it. Errors: unavailable or timed_out, with a sentence that says
/// what failed.
Task<Result<std::unique_ptr<Stream>>> open_stream(Executor executor, const HttpEndpoint& endpoint,
                                                  Millis timeout);

class HttpClient {
 public:
  HttpClient(const Executor& executor, const HttpEndpoint& endpoint)
      : executor_(executor), endpoint_(endpoint) {}

  /// Sends the request and reads the whole response, with a body of at most `max_body` bytes. Errors:
  /// unavailable or timed_out. Only one at a time.
  Task<Result<Response>> exchange(Request request, Millis timeout, std::size_t max_body);
  /// Closes the connection for good; a pending `exchange` fails.
  void drop();

 private:
  Executor executor_;
  const HttpEndpoint& endpoint_;
  std::unique_ptr<Stream> stream_;
  boost::beast::flat_buffer buffer_;
  bool dropped_ = false;
};

}  // namespace smaster::net
