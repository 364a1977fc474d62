// What the network asks of the program above it, and what it offers it. No policy and no transport here.
#pragma once

#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "base/result.hpp"
#include "base/types.hpp"
#include "net/asio.hpp"
#include "net/pieces.hpp"
#include "net/stream.hpp"
#include "wire/engineio/session.hpp"

namespace smaster::net {

using Request = boost::beast::http::request<boost::beast::http::string_body>;
using Response = boost::beast::http::response<boost::beast::http::string_body>;

/// What a request is answered with. With pieces, they are the body, as many as the peer takes in its time;
/// after an error among them the connection is closed, so that the peer knows that it has not got all.
struct Answer {
  Answer(Response response_) : response(std::move(response_)) {}  // NOLINT(google-explicit-constructor)
  Answer(Response response_, Pieces pieces_) : response(std::move(response_)), pieces(std::move(pieces_)) {}

  Response response;
  Pieces pieces;
};

/// A session as the layer above sees it: somewhere to send to.
class Link {
 public:
  virtual ~Link() = default;
  /// Queues it.
  virtual void send_frame(const engineio::Frame& frame) = 0;
  /// Ends the session after what was sent before; nothing more is sent or received.
  virtual void close_session() = 0;
};

/// What lives on top of one Engine.IO session.
class Upper {
 public:
  virtual ~Upper() = default;
  /// The session is open, what is sent from now on arrives; `link` lives until after `closed`.
  virtual void opened(Link& link, Instant now) = 0;
  virtual void receive(bool binary, std::string_view data) = 0;
  /// The session is over; nothing follows.
  virtual void closed(engineio::CloseReason reason) = 0;
  /// Of a client: the server's ping is late, and the session may be about to end.
  virtual void ping_is_late() {}
  /// When tick must be called, if ever.
  [[nodiscard]] virtual std::optional<Instant> deadline() const { return std::nullopt; }
  virtual void tick(Instant) {}
};

/// The request that asks for a new session, as far as admission looks at it.
struct HandshakeRequest {
  asio::ip::address peer;     ///< the other end of the connection, maybe a proxy
  std::string forwarded_for;  ///< X-Forwarded-For, all of them joined by commas
  std::optional<std::string> authorization;
  std::string query;  ///< of its URL, as it came, without the question mark
};

/// Why a handshake is refused. Its body is Engine.IO's, `{"code":4,"message":"…"}`.
struct Refusal {
  unsigned status = 403;
  std::string message = "Forbidden";
  std::optional<std::chrono::seconds> retry_after;
};

using Admission = std::variant<Refusal, std::unique_ptr<Upper>>;

/// What takes over a connection, or why nothing does.
using Takeover = std::variant<Response, std::function<Task<>(Stream)>>;

/// The program that is served.
class Application {
 public:
  virtual ~Application() = default;
  /// Decides on a handshake; may take its time.
  virtual Task<Admission> admit(HandshakeRequest request) = 0;
  /// Answers a request outside the Engine.IO prefix; `request` and `peer` live until it is answered.
  virtual Task<Answer> answer(const Request& request, const asio::ip::address& peer) = 0;
  /// Whether the request asks for another protocol, which `upgrade` is for; else `answer` is.
  [[nodiscard]] virtual bool is_upgrade(const Request&) const { return false; }
  /// Decides on such a request of this peer; `request` lives until then.
  virtual Task<Takeover> upgrade(const Request&, const asio::ip::address&) { co_return Response(); }
};

}  // namespace smaster::net
