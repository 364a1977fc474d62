// What HTTP/1.1 asks of a server beyond what Beast checks (RFC 9112), for every listener of ours: the same
// bytes are the same request, or none, wherever they arrive. Proxies in front rely on it: what they and we
// read differently is how requests are smuggled past them.
#pragma once

#include <boost/asio/redirect_error.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <iterator>
#include <optional>
#include <string>

#include "net/asio.hpp"

namespace smaster::net {

/// Bytes of a request line with its headers.
inline constexpr std::uint32_t kMaxHeader = 16 * 1024;

/// A buffer for requests: bounded, since Beast bounds neither chunk extensions nor trailers.
[[nodiscard]] inline boost::beast::flat_buffer request_buffer() {
  return boost::beast::flat_buffer(4 * std::size_t{kMaxHeader});
}

/// Checks a request's target and the headers that delimit it; turns an absolute-form target into origin-form,
/// with its authority as the Host (RFC 9112, 3.2.2). The error is one of boost::beast::http::error.
[[nodiscard]] boost::system::error_code check_request(boost::beast::http::request_header<>& request);

/// The status for a request that could not be read; none: there is nobody to answer.
[[nodiscard]] std::optional<boost::beast::http::status> refusal_status(boost::system::error_code error);

/// Drops the empty lines that may precede a request (RFC 9112, 2.2); false while more must be read to know.
[[nodiscard]] bool skip_empty_lines(boost::beast::flat_buffer& buffer);

/// Reads a request's header and checks it.
template <class Stream, class Parser>
Task<boost::system::error_code> read_request_header(Stream& stream, boost::beast::flat_buffer& buffer,
                                                    Parser& parser) {
  constexpr std::size_t kFirstRead = 512;  // bytes; a connection at rest holds no more
  constexpr int kMostReads = 4;            // after which there should be something else than empty lines
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

/// Reads the rest of a request. Trailers are refused: they would be taken for headers that nobody has
/// checked.
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
