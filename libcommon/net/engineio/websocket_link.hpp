// One websocket: incoming frames, outgoing frames in order, and a bounded queue.
#pragma once

#include <array>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "net/asio.hpp"
#include "net/engineio/application.hpp"
#include "net/stream.hpp"
#include "net/transport.hpp"
#include "wire/websocket/frames.hpp"

namespace smaster::net {

class WebSocketLink;

/// Receives a websocket's frames and its end, on the context's thread.
class WebSocketOwner {
 public:
  virtual ~WebSocketOwner() = default;
  virtual void websocket_frame(WebSocketLink& link, bool binary, std::string_view data) = 0;
  /// Called at most once: the peer, an error or a full queue has ended the websocket. Not called after
  /// close() or abort().
  virtual void websocket_closed(WebSocketLink& link, engineio::CloseReason reason) = 0;
};

/// The response to a request to become a websocket (RFC 6455, 4.2.2): 101, or why not.
[[nodiscard]] Response websocket_response(const Request& request);

/// Asks a server for a websocket (RFC 6455, 4.1), within 10 s. On errors `response` has the server's
/// response, if there was one. `early`: bytes that came after the response.
Task<boost::system::error_code> request_websocket(Stream& stream, const std::string& host,
                                                  const std::string& target, const std::string& authorization,
                                                  Response& response, std::string& early);

class WebSocketLink final : public TransportOwner, public std::enable_shared_from_this<WebSocketLink> {
 public:
  /// `stream`: after the handshake. `max_payload`: maximum length of a received message, in bytes.
  /// `max_queued`: maximum number of queued bytes; beyond it the connection is aborted.
  WebSocketLink(Stream stream, websocket::Role role, std::size_t max_payload, std::size_t max_queued);

  /// Starts reading. `owner` is kept alive only while a frame is delivered to it. `early`: bytes that were
  /// received already.
  void start(std::weak_ptr<WebSocketOwner> owner, std::string early = {});
  /// Queues a frame. If the queue is over its limit, the connection is aborted in a later turn of the loop.
  void send(const engineio::Frame& frame);
  /// Bytes queued for sending.
  [[nodiscard]] std::size_t queued() const { return queued_bytes_; }
  /// Closes after sending what is queued, within 10 s. Nothing more is read, and the owner is not called any
  /// more.
  void close();
  /// Closes the connection at once; the owner is not called any more.
  void abort();

  // TransportOwner
  void readable() override;
  void writable() override { flush(); }
  void flush() override;
  void received(std::span<char> bytes) override;
  void lost(boost::system::error_code error) override;
  void failed(const std::exception& error) override;

 private:
  /// An outgoing frame. With a source: the next fragment of its message.
  struct Outgoing {
    engineio::Frame frame;
    websocket::FrameHead head;
    std::string piece;       ///< the fragment; or masked data
    std::size_t offset = 0;  ///< number of bytes read from the source
    bool is_read = false;    ///< a fragment is being read
    bool last = false;       ///< the fragment
    bool ready = false;      ///< can be sent
    [[nodiscard]] std::array<std::string_view, 3> parts(websocket::Role role) const;
  };

  void handle(const websocket::FrameReader::Event& event);
  /// Answers the peer's close, or closes because of what it sent, and reports the end.
  void end(std::uint16_t code, engineio::CloseReason reason, bool drops_queue);
  void report(engineio::CloseReason reason);
  void flush_soon();
  void fail(engineio::CloseReason reason);
  void add_control(websocket::Opcode opcode, std::string data);
  [[nodiscard]] std::optional<websocket::Mask> mask() const;
  void encode(Outgoing& out);
  void read_fragment(Outgoing& out);
  [[nodiscard]] std::size_t gather(std::span<iovec> parts, std::size_t& bytes);
  void sent(std::size_t count);
  void begin_close_timeout();

  asio::io_context& context_;
  std::unique_ptr<Transport> transport_;
  websocket::FrameReader reader_;
  const websocket::Role role_;
  std::list<Outgoing> queue_;  // a list, because an empty one owns no memory
  std::size_t queued_bytes_ = 0;
  std::size_t front_sent_ = 0;        ///< bytes of the first entry that are sent
  std::string control_;               ///< encoded control frames, to be sent before the queue
  std::optional<std::string> pong_;   ///< data of the last ping that is not answered yet
  std::optional<std::string> close_;  ///< data of the close frame to be sent
  const std::size_t max_queued_;
  std::weak_ptr<WebSocketOwner> owner_;
  std::unique_ptr<Timer> patience_;  ///< of a close
  bool closing_ = false;             ///< nothing more is queued or delivered
  bool overfull_ = false;            ///< queue over its limit: about to be aborted
  bool flush_is_due_ = false;
  bool drops_queue_ = false;  ///< a close frame follows the frame that is being sent
  bool close_sent_ = false;
  bool peer_closed_ = false;
  bool closed_ = false;
};

}  // namespace smaster::net
