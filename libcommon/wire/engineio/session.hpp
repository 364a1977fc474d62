// One Engine.IO 4 session, server side, as a state machine: transport events and time in, bytes and effects
// out through a sink. Knows no sockets, clocks or HTTP; the transport calls it and carries out its effects.
// Source: WIRE.md, "Engine.IO protocol 4".
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.hpp"
#include "wire/engineio/packet.hpp"

namespace smaster::engineio {

/// Settings of the protocol; the client is told most of them in the handshake.
struct Options {
  Millis ping_interval{25'000};         ///< Engine.IO 4 default
  Millis ping_timeout{20'000};          ///< Engine.IO 4 default
  std::size_t max_payload = 1'000'000;  ///< bytes per body or frame from the client; Engine.IO 4 default
  Millis upgrade_timeout{10'000};       ///< from the second connection to its `5`; default of npm's engine.io
  /// Bytes of packets per response to a poll; a single packet may be larger.
  std::size_t max_answer = 1'000'000;
  /// Bytes queued for a client that does not read; beyond it the session ends.
  std::size_t max_queued = 64u << 20;
};

enum class Transport { polling, websocket };

/// Why a session ended. Their texts are those that Socket.IO programs log.
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

/// One of a session's websockets (at most two).
enum class Channel { main, probe };

/// Effects of a session. Any method of the session may call them before it returns; `send` never calls
/// `ended`.
class SessionSink {
 public:
  virtual ~SessionSink() = default;
  /// A message for the layer above. `data` is valid during the call only.
  virtual void deliver(bool binary, std::string_view data) = 0;
  /// Answers the waiting GET with status 200 and these packets.
  virtual void answer_poll(Payload payload) = 0;
  virtual void send_frame(Channel channel, const Frame& frame) = 0;
  /// Closes this websocket after sending what is queued on it.
  virtual void close_channel(Channel channel) = 0;
  /// The probe channel has become the main channel.
  virtual void upgraded() = 0;
  /// The session has ended. Called exactly once, as the last call.
  virtual void ended(CloseReason reason) = 0;
};

/// The state of one session from handshake to end.
class Session {
 public:
  Session(const Options& options, Transport transport, SessionSink& sink, Instant now);

  /// The client wants binary messages as text, on websockets, too (`b64=1` in its query).
  void set_text_only() { text_only_ = true; }

  /// The handshake: packet `0` with its JSON. The first frame of a websocket, or the response to a polling
  /// handshake.
  [[nodiscard]] Frame handshake(std::string_view sid) const;

  /// How the transport must answer a request of a polling client.
  enum class Answer { ok, refused, waiting };

  /// Handles a GET: `ok` fills `payload`; `waiting`: answer_poll follows; `refused`: answer with status 400.
  /// May end the session.
  [[nodiscard]] Answer poll(Payload& payload);
  /// The connection of the waiting GET has closed.
  void poll_cancelled();
  /// Handles the body of a POST: `ok` (answer "ok"), or `refused` with status 400. May end the session.
  [[nodiscard]] Answer post(std::string_view body, Instant now);

  /// A websocket with this session's sid was opened. True: keep it as the probe channel; false: close it.
  [[nodiscard]] bool probe_opened(Instant now);
  /// Handles a frame on the probe channel. After `5` this websocket is the main channel.
  void probe_frame(bool binary, std::string_view data);
  void probe_closed();

  /// Handles a frame on the main websocket. May end the session.
  void frame(bool binary, std::string_view data, Instant now);
  /// The main websocket has closed: ends the session.
  void closed_by_transport(CloseReason reason);

  /// Sends a message (a text frame includes its `4`) as soon as the transport can. Never ends the session: if
  /// the queue is over its limit, the next tick does, which is then due at once.
  void send(const Frame& frame);
  /// Ends the session after sending what is queued. May call SessionSink::ended before it returns; a polling
  /// client without a waiting poll is told at its next poll.
  void close();

  /// When `tick` must be called next.
  [[nodiscard]] Instant deadline() const;
  void tick(Instant now);

  [[nodiscard]] Transport transport() const { return transport_; }
  [[nodiscard]] bool ended() const { return phase_ == Phase::ended; }
  /// The client's queue is over its limit: `tick` is due.
  [[nodiscard]] bool overfull() const { return overfull_; }

 private:
  enum class Phase { open, closing, ended };
  enum class Probe { none, opened, answered };

  void end(CloseReason reason);
  /// Handles a packet. False if the client must not send it, which ends the session.
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
  Instant ping_deadline_;     ///< time of the next ping, or while awaiting a pong its timeout
  Instant upgrade_deadline_;  ///< valid while a probe is open
  std::vector<Frame> queue_;  ///< packets for the next poll; polling only
  std::size_t queued_bytes_ = 0;
};

}  // namespace smaster::engineio
