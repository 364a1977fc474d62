// The interface between the network layer and the program above it. No policy and no transport here.
#pragma once

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
#include "net/http.hpp"
#include "net/stream.hpp"
#include "wire/engineio/session.hpp"

namespace smaster::net {

/// A session as the layer above sees it. All calls on the context's thread.
class Link {
 public:
  virtual ~Link() = default;
  /// Queues a frame; never calls back. A full queue ends the session in a later turn of the loop.
  virtual void send_frame(const engineio::Frame& frame) = 0;
  /// Closes the session after sending what is queued. Upper::closed follows in a later turn of the loop;
  /// `receive` is not called any more.
  virtual void close_session() = 0;
};

/// The layer above one Engine.IO session. All calls come from the context's thread.
class Upper {
 public:
  virtual ~Upper() = default;
  /// The session is open. `link` is valid until `closed` has returned.
  virtual void opened(Link& link, Instant now) = 0;
  virtual void receive(bool binary, std::string_view data) = 0;
  /// The session has ended. This is the last call.
  virtual void closed(engineio::CloseReason reason) = 0;
  /// Client only: the server's ping is late, so the session may be about to time out.
  virtual void ping_is_late() {}
  /// When `tick` must be called; nullopt: never.
  [[nodiscard]] virtual std::optional<Instant> deadline() const { return std::nullopt; }
  virtual void tick(Instant) {}
};

/// A request for a new session, as needed for admission.
struct HandshakeRequest {
  asio::ip::address peer;     ///< X-Forwarded-For, all lines joined by commas
  std::string forwarded_for;  ///< X-Forwarded-For, all of them joined by commas
  std::optional<std::string> authorization;
  std::string query;  ///< of the URL, still encoded, without the question mark
};

/// The reason for refusing a handshake. Sent with Engine.IO's body `{"code":4,"message":"…"}`.
struct Refusal {
  unsigned status = 403;
  std::string message = "Forbidden";
  std::optional<std::chrono::seconds> retry_after;
};

using Admission = std::variant<Refusal, std::unique_ptr<Upper>>;

/// The coroutine that takes over a connection, or the response that refuses it.
using Takeover = std::variant<Response, std::function<Task<>(Stream)>>;

/// The program behind the listener. All calls come from the context's thread.
class Application {
 public:
  virtual ~Application() = default;
  /// Admits or refuses a handshake; may suspend.
  virtual Task<Admission> admit(HandshakeRequest request) = 0;
  /// Answers a request outside the Engine.IO path. `request` and `peer` are valid until it completes.
  virtual Task<Answer> answer(const Request& request, const asio::ip::address& peer) = 0;
  /// True if the request asks for a protocol upgrade: `upgrade` is called instead of `answer`.
  [[nodiscard]] virtual bool is_upgrade(const Request&) const { return false; }
  /// Handles an upgrade request. `request` is valid until it completes.
  virtual Task<Takeover> upgrade(const Request&, const asio::ip::address&) { co_return Response(); }
};

}  // namespace smaster::net
