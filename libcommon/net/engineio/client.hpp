// The client side of one Engine.IO session: by websocket, or by polling if a websocket fails on the way.
// Connects the client's state machine to real connections; no reconnecting.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/result.hpp"
#include "net/engineio/application.hpp"
#include "net/engineio/websocket_link.hpp"
#include "net/http_client.hpp"
#include "net/task_scope.hpp"
#include "wire/engineio/client.hpp"

namespace smaster::net {

/// Why no session was opened.
struct ConnectFailure {
  std::string message;
  unsigned status = 0;            ///< the HTTP status, if the server answered
  std::optional<Time> date = {};  ///< the server's clock, in seconds, if it sent a Date header
  bool reached = false;           ///< a TCP (and TLS) connection was made; the failure came later
  bool refused = false;           ///< by the Engine.IO server itself, not by a proxy
};

class EngineClient final : public engineio::ClientSink,
                           public WebSocketOwner,
                           public Link,
                           public std::enable_shared_from_this<EngineClient> {
 public:
  /// Returns the authorization header for one handshake: each header is valid only once.
  using Authorize = std::function<Task<std::string>()>;

  /// `upper` must live until `closed` has been called, or until `abandon`. `query`: added to the URL, such as
  /// "a=1".
  EngineClient(asio::io_context& context, HttpEndpoint endpoint, Upper& upper, std::string query = {});

  /// Opens a session by websocket, else by polling. nullopt: the transport is open. `upper->opened` has then
  /// been called or follows; if the handshake fails after this, only `upper->closed` is called.
  Task<std::optional<ConnectFailure>> connect(Authorize authorize);
  /// Closes everything at once; `upper` is not called any more.
  void abandon();

  /// Maximum size of a frame or body that the server accepts, in bytes.
  [[nodiscard]] std::size_t max_payload() const { return session_->max_payload(); }
  [[nodiscard]] bool polling() const { return link_ == nullptr; }
  /// True if the session has ended or was never opened.
  [[nodiscard]] bool ended() const { return !session_ || session_->ended(); }

  /// Bytes queued for sending.
  [[nodiscard]] std::size_t queued() const { return link_ ? link_->queued() : outbox_bytes_; }

  // Link
  void send_frame(const engineio::Frame& frame) override;
  void close_session() override;

  // engineio::ClientSink
  void opened() override;
  void deliver(bool binary, std::string_view data) override;
  void transmit(const engineio::Frame& frame) override;
  void ended(engineio::CloseReason reason) override;

  // WebSocketOwner
  void websocket_frame(WebSocketLink& link, bool binary, std::string_view data) override;
  void websocket_closed(WebSocketLink& link, engineio::CloseReason reason) override;

 private:
  Task<std::optional<ConnectFailure>> connect_websocket(const std::string& authorization);
  Task<std::optional<ConnectFailure>> connect_polling(const std::string& authorization);
  [[nodiscard]] std::string target(std::string_view transport) const;
  [[nodiscard]] Request polling_request(boost::beast::http::verb method) const;
  /// Ends the session in a later turn of the loop.
  void fail(engineio::CloseReason reason);
  Task<> poll();
  Task<> post();
  [[nodiscard]] std::string take_payload();
  void hang_up();
  void arm();

  asio::io_context& context_;
  const HttpEndpoint endpoint_;
  const std::string query_;
  Upper* upper_;  ///< null once abandoned or closed
  std::optional<engineio::ClientSession> session_;
  Timer timer_;
  std::shared_ptr<WebSocketLink> link_;
  std::string authorization_;  ///< polling repeats it with each request
  HttpClient get_;
  HttpClient post_;
  std::deque<engineio::Frame> outbox_;  ///< polling only
  std::size_t outbox_bytes_ = 0;
  bool closing_ = false;   ///< closing was requested: nothing more is sent or delivered
  bool overfull_ = false;  ///< the queue for polling is over its limit: the session is about to end
  Busy posting_;
  TaskScope tasks_;
};

}  // namespace smaster::net
