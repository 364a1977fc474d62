// HTTP requests and answers as the program sees them.
#pragma once

#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>
#include <utility>

#include "net/pieces.hpp"

namespace smaster::net {

using Request = boost::beast::http::request<boost::beast::http::string_body>;
using Response = boost::beast::http::response<boost::beast::http::string_body>;

/// The answer to a request. If `pieces` is set, it supplies the body, at the peer's pace. An error among the
/// pieces closes the connection, so that the peer can detect the truncation.
struct Answer {
  Answer(Response response_) : response(std::move(response_)) {}  // NOLINT(google-explicit-constructor)
  Answer(Response response_, Pieces pieces_) : response(std::move(response_)), pieces(std::move(pieces_)) {}

  Response response;
  Pieces pieces;
};

}  // namespace smaster::net
