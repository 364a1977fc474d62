// The client's end of one Engine.IO session: by websocket, or by polling where something on the way lets no
// websocket through. Joins the client's state machine to real connections; no policy about trying again.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/result.hpp"
#include "net/application.hpp"
#include "net/http_client.hpp"
#include "net/task_scope.hpp"
#include "net/websocket_link.hpp"
#include "wire/engineio/client.hpp"

namespace smaster::net {

/// Why no session came about.
struct ConnectFailure {
  std::string message;
  unsigned status = 0;            ///< the HTTP status, if the server answered
  std::optional<Time> date = {};  ///< the server's clock, to the second, if it told
  bool reached = false;           ///< a connection stood; what went wrong came after
  bool refused = false;           ///< by the Engine.IO server itself, not by something on the way
};

class EngineClient final : public engineio::ClientSink,
                           public WebSocketOwner,
                           public Link,
                           public std::enable_shared_from_this<EngineClient> {
 public:
  /// Gives the authorization header of one handshake: it is good for one only.
  using Authorize = std::function<Task<std::string>()>;

  /// `upper` must live until its `closed`, or until `abandon`. `query`: more of it, such as "a=1".
  EngineClient(asio::io_context& context, HttpEndpoint endpoint, Upper& upper, std::string query = {});

  /// Opens a session; nothing means that `upper` has been told that it is open.
  Task<std::optional<ConnectFailure>> connect(Authorize authorize);
  /// Drops everything at once; `upper` hears nothing more.
  void abandon();

  /// The most bytes that the server takes in one frame or body.
  [[nodiscard]] std::size_t max_payload() const { return session_->max_payload(); }
  [[nodiscard]] bool polling() const { return link_ == nullptr; }
  /// Whether the session is over, or never was.
  [[nodiscard]] bool ended() const { return !session_ || session_->ended(); }

  /// Bytes that wait to be sent.
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
  /// Ends the session, in a turn of its own.
  void fail(engineio::CloseReason reason);
  Task<> poll();
  Task<> post();
  [[nodiscard]] std::string take_payload();
  void hang_up();
  void arm();

  asio::io_context& context_;
  const HttpEndpoint endpoint_;
  const std::string query_;
  Upper* upper_;  ///< none once abandoned
  std::optional<engineio::ClientSession> session_;
  Timer timer_;
  std::shared_ptr<WebSocketLink> link_;
  std::string authorization_;  ///< polling repeats it on every request
  HttpClient get_;
  HttpClient post_;
  std::deque<engineio::Frame> outbox_;  ///< polling only
  std::size_t outbox_bytes_ = 0;
  bool closing_ = false;   ///< asked for; nothing more is sent or delivered
  bool overfull_ = false;  ///< too much waits to be posted; about to end
  Busy posting_;
  TaskScope tasks_;
};

}  // namespace smaster::net
