// The client side of one Socket.IO 5 connection to the main namespace, as a state machine: messages in,
// packets and events out through a sink. Knows no transport. Source: WIRE.md, "Socket.IO protocol 5".
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "wire/engineio/packet.hpp"
#include "wire/socketio/assembler.hpp"

namespace smaster::socketio {

/// Effects of a client. Any of its methods may call them before it returns.
class ClientSink {
 public:
  virtual ~ClientSink() = default;
  /// Sends a message on the Engine.IO session.
  virtual void send_frame(const engineio::Frame& frame) = 0;
  /// Ends the Engine.IO session: the server refused or ended the connection, or broke the protocol.
  virtual void close_session(std::string_view why) = 0;
  /// The namespace is joined: events may be sent.
  virtual void joined() = 0;
  /// An event; `ack_id` is set if it wants an answer (encode_ack).
  virtual void event(std::string_view name, std::optional<AckId> ack_id, Arguments arguments) = 0;
  /// The answer to our event with this ack id.
  virtual void acked(AckId ack_id, Arguments arguments) = 0;
};

class Client {
 public:
  explicit Client(ClientSink& sink) : sink_(sink) {}

  /// The session is open: sends CONNECT. `auth`: a JSON object for the server, or empty.
  void open(std::string_view auth);
  /// Handles a message of the session.
  void receive(bool binary, std::string_view data);
  [[nodiscard]] bool joined() const { return phase_ == Phase::joined; }

 private:
  enum class Phase { joining, joined, failed };
  void fail(std::string_view why);
  void dispatch(const Packet& packet, std::vector<std::string> attachments);

  ClientSink& sink_;
  Assembler assembler_;
  Phase phase_ = Phase::joining;
};

}  // namespace smaster::socketio
