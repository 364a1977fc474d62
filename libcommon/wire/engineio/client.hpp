// The client side of one Engine.IO 4 session as a state machine: transport events and time in, messages and
// effects out through a sink. No upgrade: a session stays on its first transport. Knows no sockets, clocks or
// HTTP. Source: WIRE.md, "Engine.IO protocol 4".
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include "base/types.hpp"
#include "wire/engineio/packet.hpp"
#include "wire/engineio/session.hpp"

namespace smaster::engineio {

/// Effects of a client session. Any method of the session may call them before it returns.
class ClientSink {
 public:
  virtual ~ClientSink() = default;
  /// The server's handshake has arrived: messages may be sent.
  virtual void opened() = 0;
  /// A message for the layer above. `data` is valid during the call only.
  virtual void deliver(bool binary, std::string_view data) = 0;
  /// Sends this packet to the server.
  virtual void transmit(const Frame& frame) = 0;
  /// The session has ended. Called exactly once, as the last call.
  virtual void ended(CloseReason reason) = 0;
};

class ClientSession {
 public:
  /// Timeout for the server's handshake.
  static constexpr Millis kOpenTimeout{20'000};

  ClientSession(ClientSink& sink, Instant now) : sink_(sink), deadline_(now + kOpenTimeout) {}

  /// Handles a websocket frame. May end the session.
  void receive_frame(bool binary, std::string_view data, Instant now);
  /// Handles the body of a poll's response. May end the session.
  void receive_payload(std::string_view body, Instant now);
  /// Sends a message; does nothing once the session has ended.
  void send(const Frame& frame);
  /// Ends the session and tells the server. Calls ClientSink::ended before it returns.
  void close();
  void closed_by_transport(CloseReason reason) { end(reason); }

  /// When `tick` must be called. The server pings every pingInterval; the session ends pingTimeout after a
  /// missed ping.
  [[nodiscard]] Instant deadline() const { return deadline_; }
  /// The time from which a ping counts as late: one second after it was due. Never after `deadline`.
  [[nodiscard]] Instant ping_late_at() const {
    return deadline_ - std::max(timeout_ - Millis{1'000}, Millis{0});
  }
  void tick(Instant now);

  [[nodiscard]] bool open() const { return phase_ == Phase::open; }
  [[nodiscard]] bool ended() const { return phase_ == Phase::ended; }
  [[nodiscard]] const std::string& sid() const { return sid_; }
  /// Maximum size of a frame or body that the server accepts, in bytes.
  [[nodiscard]] std::size_t max_payload() const { return max_payload_; }

 private:
  enum class Phase { opening, open, ended };
  void receive(const Packet& packet, Instant now);
  [[nodiscard]] bool read_handshake(std::string_view json);
  void end(CloseReason reason);

  ClientSink& sink_;
  Phase phase_ = Phase::opening;
  Instant deadline_;
  Millis patience_{};  ///< pingInterval + pingTimeout
  Millis timeout_{};   ///< pingTimeout
  std::string sid_;
  std::size_t max_payload_ = 0;
};

}  // namespace smaster::engineio
