// Rules of HTTP/1.1 for servers that Beast does not check (RFC 9112), shared by all our listeners. Strictness
// prevents request smuggling: a proxy in front must not read a request differently from us.
#pragma once

#include <boost/asio/redirect_error.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/serializer.hpp>
#include <boost/beast/http/write.hpp>
#include <iterator>
#include <optional>
#include <string>

#include "net/asio.hpp"

namespace smaster::net {

/// Maximum size of the request line and all headers, in bytes.
inline constexpr std::uint32_t kMaxHeader = 16 * 1024;

/// A bounded buffer for requests: Beast itself limits neither chunk extensions nor trailers.
[[nodiscard]] inline boost::beast::flat_buffer request_buffer() {
  return boost::beast::flat_buffer(4 * std::size_t{kMaxHeader});
}

/// Checks a request's target and the headers that delimit its body. Rewrites an absolute-form target to
/// origin-form and sets Host to its authority (RFC 9112, 3.2.2). Returns a boost::beast::http::error.
[[nodiscard]] boost::system::error_code check_request(boost::beast::http::request_header<>& request);

/// The status for a request that could not be read; nullopt: the peer is gone, do not answer.
[[nodiscard]] std::optional<boost::beast::http::status> refusal_status(boost::system::error_code error);

/// The current time as an HTTP date (RFC 9110, 5.6.7). Clients use it to detect that their clock is wrong.
[[nodiscard]] std::string http_date();

/// Skips empty lines before a request (RFC 9112, 2.2); false if more input is needed.
[[nodiscard]] bool skip_empty_lines(boost::beast::flat_buffer& buffer);

/// Reads and checks a request's headers.
template <class Stream, class Parser>
Task<boost::system::error_code> read_request_header(Stream& stream, boost::beast::flat_buffer& buffer,
                                                    Parser& parser) {
  constexpr std::size_t kFirstRead = 512;  // bytes; an idle connection's buffer is no larger
  constexpr int kMostReads = 4;            // number of reads in which a request line must have started
  boost::system::error_code error;
  for (int reads = 0; !skip_empty_lines(buffer); ++reads) {
    if (reads == kMostReads) co_return make_error_code(boost::beast::http::error::bad_method);
    buffer.commit(
        co_await stream.async_read_some(buffer.prepare(kFirstRead), asio::redirect_error(use_task, error)));
    if (error) co_return error;
  }
  parser.header_limit(kMaxHeader);
  co_await boost::beast::http::async_read_header(stream, buffer, parser,
                                                 asio::redirect_error(use_task, error));
  co_return error ? error : check_request(parser.get().base());
}

/// Sends "100 Continue" to a client that waits for it before it sends the body (RFC 9110, 10.1.1).
template <class Stream, class Parser>
Task<boost::system::error_code> invite_body(Stream& stream, const Parser& parser) {
  namespace http = boost::beast::http;
  boost::system::error_code error;
  if (!boost::beast::iequals(parser.get()[http::field::expect], "100-continue")) co_return error;
  http::response<http::empty_body> go_on(http::status::continue_, parser.get().version());
  co_await http::async_write(stream, go_on, asio::redirect_error(use_task, error));
  co_return error;
}

/// Writes a response; to HEAD only its headers, whatever the body is (RFC 9110, 9.3.2).
template <class Stream, class Response>
Task<boost::system::error_code> write_response(Stream& stream, Response& response, bool only_head) {
  namespace http = boost::beast::http;
  boost::system::error_code error;
  http::response_serializer<typename Response::body_type> serializer(response);
  if (only_head) {
    co_await http::async_write_header(stream, serializer, asio::redirect_error(use_task, error));
  } else {
    co_await http::async_write(stream, serializer, asio::redirect_error(use_task, error));
  }
  co_return error;
}

/// Reads the rest of a request. Trailers are rejected: they would be merged into the headers unchecked.
template <class Stream, class Parser>
Task<boost::system::error_code> read_request_body(Stream& stream, boost::beast::flat_buffer& buffer,
                                                  Parser& parser) {
  const auto fields = [&parser] { return std::distance(parser.get().begin(), parser.get().end()); };
  const auto before = fields();
  boost::system::error_code error;
  co_await boost::beast::http::async_read(stream, buffer, parser, asio::redirect_error(use_task, error));
  if (!error && fields() != before) error = boost::beast::http::error::bad_field;
  co_return error;
}

}  // namespace smaster::net
