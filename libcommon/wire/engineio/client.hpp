// The client's side of one Engine.IO 4 session as a state machine: transport events and time in, messages and
// effects out through a sink. It does not upgrade: a session stays on the transport that it began with. Knows
// no sockets, clocks or HTTP. Source: WIRE.md, "Engine.IO protocol 4".
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include "base/types.hpp"
#include "wire/engineio/packet.hpp"
#include "wire/engineio/session.hpp"

namespace smaster::engineio {

/// What a client session asks of the world. Calls may come from inside any of the session's methods.
class ClientSink {
 public:
  virtual ~ClientSink() = default;
  /// The server's handshake arrived; messages may be sent.
  virtual void opened() = 0;
  /// A message for the layer above. The view is valid during the call only.
  virtual void deliver(bool binary, std::string_view data) = 0;
  /// Carry this packet to the server.
  virtual void transmit(const Frame& frame) = 0;
  /// The session is over; nothing follows. Called exactly once.
  virtual void ended(CloseReason reason) = 0;
};

class ClientSession {
 public:
  /// How long the server's handshake may take.
  static constexpr Millis kOpenTimeout{20'000};

  ClientSession(ClientSink& sink, Instant now) : sink_(sink), deadline_(now + kOpenTimeout) {}

  /// A websocket frame.
  void receive_frame(bool binary, std::string_view data, Instant now);
  /// The body of an answered poll.
  void receive_payload(std::string_view body, Instant now);
  /// Sends a message; dropped once the session is over.
  void send(const Frame& frame);
  /// Ends the session from our side, telling the server.
  void close();
  void closed_by_transport(CloseReason reason) { end(reason); }

  /// When tick must be called: the server pings every pingInterval, and is given up after pingTimeout more.
  [[nodiscard]] Instant deadline() const { return deadline_; }
  /// From when on a ping is a second late, unless one comes; not after the deadline.
  [[nodiscard]] Instant ping_late_at() const {
    return deadline_ - std::max(timeout_ - Millis{1'000}, Millis{0});
  }
  void tick(Instant now);

  [[nodiscard]] bool open() const { return phase_ == Phase::open; }
  [[nodiscard]] bool ended() const { return phase_ == Phase::ended; }
  [[nodiscard]] const std::string& sid() const { return sid_; }
  /// The most bytes that the server takes in one frame or body.
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
