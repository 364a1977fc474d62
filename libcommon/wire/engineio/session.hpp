// One Engine.IO 4 session as a state machine: transport events and time in, bytes and effects out through a
// sink. Knows no sockets, clocks or HTTP: the transport calls it and obeys it. Source: WIRE.md, "Engine.IO
// protocol 4".
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.hpp"
#include "wire/engineio/packet.hpp"

namespace smaster::engineio {

/// The protocol's timing and size settings, told to the client in the handshake.
struct Options {
  Millis ping_interval{25'000};         ///< Engine.IO 4 default
  Millis ping_timeout{20'000};          ///< Engine.IO 4 default
  std::size_t max_payload = 1'000'000;  ///< bytes in one body or frame from the client; Engine.IO 4 default
  Millis upgrade_timeout{10'000};       ///< from the second connection to its `5`; engine.io's default
  std::size_t max_answer = 1'000'000;   ///< bytes of packets that a poll is answered with, or one packet
  std::size_t max_queued = 64u << 20;   ///< bytes waiting for a client that does not read; then it is cut
};

enum class Transport { polling, websocket };

/// Why a session ended; the words are those that Socket.IO programs log.
enum class CloseReason {
  transport_close,
  transport_error,
  ping_timeout,
  parse_error,
  client_close,
  server_close,
  too_slow,
};
[[nodiscard]] std::string_view to_string(CloseReason reason);

/// Which of a session's (at most two) websockets is meant.
enum class Channel { main, probe };

/// What a session asks of the world. Calls may come from inside any of the session's methods.
class SessionSink {
 public:
  virtual ~SessionSink() = default;
  /// A message for the layer above. The view is valid during the call only.
  virtual void deliver(bool binary, std::string_view data) = 0;
  /// Answer the waiting GET with 200 and these packets.
  virtual void answer_poll(Payload payload) = 0;
  virtual void send_frame(Channel channel, const Frame& frame) = 0;
  /// Close this websocket after what was sent on it.
  virtual void close_channel(Channel channel) = 0;
  /// The probe channel is the main one from now on.
  virtual void upgraded() = 0;
  /// The session is over; nothing follows. Called exactly once.
  virtual void ended(CloseReason reason) = 0;
};

/// The state of one session from its handshake to its end.
class Session {
 public:
  Session(const Options& options, Transport transport, SessionSink& sink, Instant now);

  /// The client takes binary messages only as text, on websockets too (`b64=1` in its query).
  void set_text_only() { text_only_ = true; }

  /// The handshake: packet `0` with its JSON. For websocket, send it first; for polling, it is the answer.
  [[nodiscard]] Frame handshake(std::string_view sid) const;

  /// How the transport answers a request of a polling client.
  enum class Answer { ok, refused, waiting };

  /// A GET: `ok` and `payload` filled, or `waiting` for answer_poll, or refused with 400.
  [[nodiscard]] Answer poll(Payload& payload);
  /// The waiting GET's connection is gone.
  void poll_cancelled();
  /// A POST's body: `ok` (answer "ok") or refused with 400.
  [[nodiscard]] Answer post(std::string_view body, Instant now);

  /// A websocket arrived with this session's sid: true to keep it as the probe channel, false to close it.
  [[nodiscard]] bool probe_opened(Instant now);
  /// A frame on the probe channel. After `5` the same websocket is the main channel.
  void probe_frame(bool binary, std::string_view data);
  void probe_closed();

  /// A frame on the main websocket.
  void frame(bool binary, std::string_view data, Instant now);
  /// The main websocket is gone.
  void closed_by_transport(CloseReason reason);

  /// Sends a message (a text frame carries its `4` already) now or as soon as the transport can carry it.
  /// Never ends the session: when more waits than the client may leave unread, the next tick, due at once,
  /// does.
  void send(const Frame& frame);
  /// Ends the session from our side, after what is queued.
  void close();

  /// When tick must be called next.
  [[nodiscard]] Instant deadline() const;
  void tick(Instant now);

  [[nodiscard]] Transport transport() const { return transport_; }
  [[nodiscard]] bool ended() const { return phase_ == Phase::ended; }
  /// The client has left too much unread; tick is due.
  [[nodiscard]] bool overfull() const { return overfull_; }

 private:
  enum class Phase { open, closing, ended };
  enum class Probe { none, opened, answered };

  void end(CloseReason reason);
  /// False when the packet was not the client's to send, which ends the session.
  bool receive(const Packet& packet, Instant now);
  void send_on_websocket(const Frame& frame);
  void flush_to_poll();
  void answer_waiting_poll(const Frame& packet);
  [[nodiscard]] Payload take_payload();

  const Options& options_;
  SessionSink& sink_;
  Transport transport_;
  Phase phase_ = Phase::open;
  Probe probe_ = Probe::none;
  bool text_only_ = false;
  bool poll_waiting_ = false;
  bool awaiting_pong_ = false;
  bool overfull_ = false;
  Instant ping_deadline_;     ///< the next ping, or the latest moment for its pong
  Instant upgrade_deadline_;  ///< meaningful while a probe is open
  std::vector<Frame> queue_;  ///< polling only: what the next poll will carry
  std::size_t queued_bytes_ = 0;
};

}  // namespace smaster::engineio
