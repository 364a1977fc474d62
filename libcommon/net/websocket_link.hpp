// One websocket: incoming frames, outgoing frames in order, and a bounded queue. A thin layer over Beast.
#pragma once

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket/rfc6455.hpp>
#include <boost/beast/websocket/stream.hpp>
#include <functional>
#include <list>
#include <memory>
#include <string_view>

#include "net/application.hpp"
#include "net/asio.hpp"
#include "net/stream.hpp"

namespace smaster::net {

class WebSocketLink;

/// The server's response to an upgrade request.
using WebSocketAnswer = boost::beast::websocket::response_type;

/// Receives a websocket's frames and its end, on the context's thread.
class WebSocketOwner {
 public:
  virtual ~WebSocketOwner() = default;
  virtual void websocket_frame(WebSocketLink& link, bool binary, std::string_view data) = 0;
  /// Called at most once: the peer, an error or a full queue has ended the websocket. Not called after
  /// close() or abort().
  virtual void websocket_closed(WebSocketLink& link, engineio::CloseReason reason) = 0;
};

class WebSocketLink : public std::enable_shared_from_this<WebSocketLink> {
 public:
  /// `max_queued`: maximum number of queued bytes; beyond it the connection is aborted.
  WebSocketLink(Stream stream, std::size_t max_payload, std::size_t max_queued);

  /// Answers an upgrade request; false on errors.
  Task<bool> accept(const Request& request);
  /// Requests a websocket from the server. On errors `response` has the server's response, if there was one.
  Task<boost::system::error_code> connect(const std::string& host, const std::string& target,
                                          const std::string& authorization, WebSocketAnswer& response);
  /// Starts reading. `owner` is kept alive only while a frame is delivered to it.
  void start(std::weak_ptr<WebSocketOwner> owner);
  /// Queues a frame. If the queue is over its limit, the connection is aborted in a later turn of the loop.
  void send(const engineio::Frame& frame);
  /// Bytes queued for sending.
  [[nodiscard]] std::size_t queued() const { return queued_bytes_; }
  /// Closes after sending what is queued, within 10 s. Nothing more is read, and the owner is not called any
  /// more.
  void close();
  /// Closes the connection at once; the owner is not called any more.
  void abort();

 private:
  void read();
  void write();
  void write_from(std::size_t offset);
  void written(boost::system::error_code error);
  void finish_close();
  void report(engineio::CloseReason reason);

  // No deflate: it costs memory per connection, and allows decompression bombs.
  boost::beast::websocket::stream<Stream, false> stream_;
  boost::beast::flat_buffer buffer_;
  std::list<engineio::Frame> queue_;  // a list, because an empty one owns no memory
  std::size_t queued_bytes_ = 0;
  std::string fragment_;  ///< current piece of a message with a source
  const std::size_t max_queued_;
  std::weak_ptr<WebSocketOwner> owner_;
  bool closing_ = false;
  bool overfull_ = false;  ///< queue over its limit: about to be aborted
};

}  // namespace smaster::net
