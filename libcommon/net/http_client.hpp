// One kept-alive connection to an HTTP server, plain or over TLS: requests one after the other, reconnecting
// between them where the server hung up.
#pragma once

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/result.hpp"
#include "net/application.hpp"
#include "net/asio.hpp"
#include "net/stream.hpp"

namespace smaster::net {

/// Where a server is.
struct HttpEndpoint {
  std::string host;  ///< a name or an address, IPv6 without brackets
  std::uint16_t port = 0;
  std::string path;                         ///< begins and ends with "/"
  std::shared_ptr<asio::ssl::context> tls;  ///< none: plain HTTP

  /// What the Host header says: the port only where it is not the protocol's own.
  [[nodiscard]] std::string authority() const;
};

/// `tls` is not set, but `secure` says whether there is to be one.
struct HttpUrl {
  HttpEndpoint endpoint;
  bool secure = false;
};
/// "http://host:port/path" or with https; port and path may be left out.
[[nodiscard]] std::optional<HttpUrl> parse_http_base(const std::string& text);
/// The same with nothing behind the port.
[[nodiscard]] std::optional<HttpUrl> parse_http_url(const std::string& text);
/// "host:port", IPv6 addresses in brackets.
[[nodiscard]] std::optional<HttpEndpoint> parse_host_port(const std::string& text);

/// Ends what waits for a peer that is too slow: closes the stream when its time is over.
class Deadline {
 public:
  Deadline(Stream& stream, Millis after);
  ~Deadline() { state_->stream = nullptr; }
  [[nodiscard]] bool expired() const { return state_->expired; }

 private:
  struct State {
    Stream* stream = nullptr;  ///< none once the deadline is no more, though its timer may have fired
    bool expired = false;
  };
  std::shared_ptr<State> state_;
  Timer timer_;
};

/// Connects, over TLS where the endpoint has it; the sentence of an error says what failed.
Task<Result<std::unique_ptr<Stream>>> open_stream(Executor executor, const HttpEndpoint& endpoint,
                                                  Millis timeout);

class HttpClient {
 public:
  HttpClient(const Executor& executor, const HttpEndpoint& endpoint)
      : executor_(executor), endpoint_(endpoint) {}

  /// Sends the request and reads the whole answer, at most `max_body` bytes. unavailable or timed_out when
  /// there is none.
  Task<Result<Response>> exchange(Request request, Millis timeout, std::size_t max_body);
  /// Ends what is under way, with an error for who waits.
  void drop();

 private:
  Executor executor_;
  const HttpEndpoint& endpoint_;
  std::unique_ptr<Stream> stream_;
  boost::beast::flat_buffer buffer_;
  bool dropped_ = false;
};

}  // namespace smaster::net
