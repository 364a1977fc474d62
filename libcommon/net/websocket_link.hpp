// One websocket of a session: frames in, frames out in order, a bounded queue between. A thin shell around
// Beast.
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

/// What a server answers to the request for a websocket.
using WebSocketAnswer = boost::beast::websocket::response_type;

/// Who hears of a websocket's frames and of its end.
class WebSocketOwner {
 public:
  virtual ~WebSocketOwner() = default;
  virtual void websocket_frame(WebSocketLink& link, bool binary, std::string_view data) = 0;
  /// Called once, when the peer, an error or a full queue ended it.
  virtual void websocket_closed(WebSocketLink& link, engineio::CloseReason reason) = 0;
};

class WebSocketLink : public std::enable_shared_from_this<WebSocketLink> {
 public:
  /// `max_queued`: bytes that may wait for a peer that does not read; then the connection is cut.
  WebSocketLink(Stream stream, std::size_t max_payload, std::size_t max_queued);

  /// Answers the upgrade request; false when that fails.
  Task<bool> accept(const Request& request);
  /// Asks the server for a websocket. Where that fails, `response` has the server's answer if there was one.
  Task<boost::system::error_code> connect(const std::string& host, const std::string& target,
                                          const std::string& authorization, WebSocketAnswer& response);
  /// Starts to read for `owner`, which is kept alive only while a frame is handed to it.
  void start(std::weak_ptr<WebSocketOwner> owner);
  /// Queues it; a queue that is too long ends the connection, in a turn of its own.
  void send(const engineio::Frame& frame);
  /// Bytes that wait to be sent.
  [[nodiscard]] std::size_t queued() const { return queued_bytes_; }
  /// Closes after what was sent; nothing is read any more and the owner hears nothing more.
  void close();
  /// Drops the connection at once.
  void abort();

 private:
  void read();
  void write();
  void write_from(std::size_t offset);
  void written(boost::system::error_code error);
  void finish_close();
  void report(engineio::CloseReason reason);

  // Deflate is left out: it costs memory a connection, and a compressed frame can hide a bomb.
  boost::beast::websocket::stream<Stream, false> stream_;
  boost::beast::flat_buffer buffer_;
  std::list<engineio::Frame> queue_;  // a list, because an empty one owns no memory
  std::size_t queued_bytes_ = 0;
  std::string fragment_;  ///< of a message that is read while it is sent
  const std::size_t max_queued_;
  std::weak_ptr<WebSocketOwner> owner_;
  bool closing_ = false;
  bool overfull_ = false;  ///< about to be cut
};

}  // namespace smaster::net
