// One Socket.IO 5 client on one Engine.IO session, server side, as a state machine: messages and time in,
// packets and events out through a sink. Knows no transport. Source: WIRE.md, "Socket.IO protocol 5".
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/types.hpp"
#include "wire/engineio/packet.hpp"
#include "wire/socketio/assembler.hpp"
#include "wire/socketio/packet.hpp"

namespace smaster::socketio {

/// Timeout for joining the first namespace; Socket.IO's default.
inline constexpr Millis kConnectTimeout{45'000};
/// Timeout for the attachments of a packet.
inline constexpr Millis kAssemblyTimeout{300'000};

/// Effects of a connection. Any of its methods may call them before it returns.
class ConnectionSink {
 public:
  virtual ~ConnectionSink() = default;
  /// Sends a message on the Engine.IO session.
  virtual void send_frame(const engineio::Frame& frame) = 0;
  /// Ends the Engine.IO session: the client broke the protocol or ran into a timeout.
  virtual void close_session(std::string_view why) = 0;
  /// Returns a public id for a namespace's socket; must be unique and hard to guess.
  [[nodiscard]] virtual std::string new_sid() = 0;
  /// True if the namespace exists.
  [[nodiscard]] virtual bool has_namespace(std::string_view nsp) const = 0;
  /// A client has joined and its CONNECT was answered. `auth`: its JSON object, `{}` if it sent none.
  virtual void connected(std::string_view nsp, std::string_view auth) = 0;
  virtual void disconnected(std::string_view nsp) = 0;
  /// An event; `name` is without quotes; `ack_id` is set if it wants an answer (Connection::ack).
  virtual void event(std::string_view nsp, std::string_view name, std::optional<AckId> ack_id,
                     Arguments arguments) = 0;
  /// The answer to our event with this ack id.
  virtual void acked(std::string_view nsp, AckId ack_id, Arguments arguments) = 0;
};

/// The state of one client on the server: its namespaces, and its incomplete packet.
class Connection {
 public:
  /// `connect_deadline`: until when the client must have joined a namespace.
  Connection(ConnectionSink& sink, Instant connect_deadline)
      : sink_(sink), connect_deadline_(connect_deadline) {}
  /// The same with a limit on the memory of incomplete packets.
  Connection(ConnectionSink& sink, Instant connect_deadline, const AssemblyBudget& budget, std::string key)
      : sink_(sink), connect_deadline_(connect_deadline), assembler_(budget, std::move(key)) {}

  /// Handles a message of the session.
  void receive(bool binary, std::string_view data);
  /// True if a packet waits for attachments and has no deadline yet: `complete_by` must be called.
  [[nodiscard]] bool needs_deadline() const { return !assembly_deadline_ && assembler_.incomplete(); }
  void complete_by(Instant deadline) { assembly_deadline_ = deadline; }

  /// Answers the event with this ack id.
  void ack(std::string_view nsp, AckId ack_id, const std::vector<std::string_view>& arguments,
           const std::vector<std::string>& attachments = {});

  [[nodiscard]] bool joined(std::string_view nsp) const;
  /// When `tick` must be called; nullopt: never.
  [[nodiscard]] std::optional<Instant> deadline() const {
    if (!connect_deadline_ || !assembly_deadline_)
      return connect_deadline_ ? connect_deadline_ : assembly_deadline_;
    return std::min(*connect_deadline_, *assembly_deadline_);
  }
  void tick(Instant now);

 private:
  void fail(std::string_view why);
  void connect(const Packet& packet);
  void dispatch(Packet packet, std::vector<std::string> attachments);

  ConnectionSink& sink_;
  std::optional<Instant> connect_deadline_;
  std::optional<Instant> assembly_deadline_;
  std::vector<std::string> namespaces_;
  Assembler assembler_;
  bool failed_ = false;
};

}  // namespace smaster::socketio
