#include "net/websocket_link.hpp"

#include <array>
#include <boost/asio/redirect_error.hpp>
#include <boost/beast/websocket.hpp>
#include <utility>

namespace smaster::net {
namespace {

namespace beast = boost::beast;
namespace websocket = beast::websocket;

/// Timeout for the upgrade's response, for a close, and for sending what is queued before it.
constexpr std::chrono::seconds kHandshakeTimeout{10};
/// Close codes from here on are invalid (RFC 6455, 7.4.2). Beast rejects the other invalid ones.
constexpr std::uint16_t kUndefinedCodes = 5000;

}  // namespace

WebSocketLink::WebSocketLink(Stream stream, std::size_t max_payload, std::size_t max_queued)
    : stream_(std::move(stream)), max_queued_(max_queued) {
  stream_.read_message_max(max_payload);
  stream_.auto_fragment(false);
  stream_.set_option(
      websocket::stream_base::timeout{kHandshakeTimeout, websocket::stream_base::none(), false});
  // Called before Beast echoes the code of a close frame. Sending our own close first replaces the invalid
  // echo.
  stream_.control_callback([this](websocket::frame_type type, beast::string_view) {
    if (type != websocket::frame_type::close || closing_ || stream_.reason().code < kUndefinedCodes) return;
    stream_.async_close(websocket::close_code::protocol_error,
                        [self = shared_from_this()](boost::system::error_code) {});
  });
}

Task<bool> WebSocketLink::accept(const Request& request) {
  boost::system::error_code error;
  co_await stream_.async_accept(request, asio::redirect_error(use_task, error));
  co_return !error;
}

Task<boost::system::error_code> WebSocketLink::connect(const std::string& host, const std::string& target,
                                                       const std::string& authorization,
                                                       WebSocketAnswer& response) {
  stream_.set_option(websocket::stream_base::decorator([authorization](websocket::request_type& request) {
    request.set(beast::http::field::authorization, authorization);
    request.set(beast::http::field::user_agent, "smaster/" SMASTER_VERSION);
  }));
  boost::system::error_code error;
  co_await stream_.async_handshake(response, host, target, asio::redirect_error(use_task, error));
  // Release the decorator: it holds a copy of the header.
  stream_.set_option(websocket::stream_base::decorator([](websocket::request_type&) {}));
  co_return error;
}

void WebSocketLink::start(std::weak_ptr<WebSocketOwner> owner) {
  owner_ = std::move(owner);
  read();
}

void WebSocketLink::read() {
  stream_.async_read(buffer_, [self = shared_from_this()](boost::system::error_code error, std::size_t) {
    if (error) {
      self->report(error == websocket::error::closed ? engineio::CloseReason::transport_close
                                                     : engineio::CloseReason::transport_error);
      return;
    }
    // After our own close, frames are read only to find the peer's close.
    const auto owner = self->closing_ ? nullptr : self->owner_.lock();
    if (owner) {
      const auto data = self->buffer_.cdata();
      owner->websocket_frame(*self, self->stream_.got_binary(),
                             {static_cast<const char*>(data.data()), data.size()});
    }
    // Release the buffer: the next message of any connection reuses this memory while it is in the CPU's
    // cache.
    self->buffer_ = {};
    self->read();
  });
}

void WebSocketLink::send(const engineio::Frame& frame) {
  if (closing_ || overfull_) return;
  queued_bytes_ += frame.held();
  if (queued_bytes_ > max_queued_) {
    overfull_ = true;
    // Posted, because the caller may be inside a method of the session.
    asio::post(stream_.get_executor(), [self = shared_from_this()] {
      self->report(engineio::CloseReason::too_slow);
      self->abort();
    });
    return;
  }
  queue_.push_back(frame);
  if (queue_.size() == 1) write();
}

void WebSocketLink::write() {
  const auto& frame = queue_.front();
  stream_.binary(frame.binary);
  if (frame.source) return write_from(0);
  const std::array<asio::const_buffer, 2> parts{
      asio::buffer(*frame.data), frame.tail ? asio::buffer(*frame.tail) : asio::const_buffer()};
  stream_.async_write(parts, [self = shared_from_this()](boost::system::error_code error, std::size_t) {
    self->written(error);
  });
}

/// Sends a message of unknown length in fragments (RFC 6455, 5.4); an empty one is the last.
void WebSocketLink::write_from(std::size_t offset) {
  queue_.front().source->read(offset, [self = shared_from_this(), offset](std::optional<std::string> piece) {
    if (!piece || self->queue_.empty()) return self->written(asio::error::operation_aborted);
    self->fragment_ = std::move(*piece);
    const bool last = self->fragment_.empty();
    self->stream_.async_write_some(last, asio::buffer(self->fragment_),
                                   [self, offset, last](boost::system::error_code error, std::size_t n) {
                                     self->fragment_ = {};
                                     if (error || last) return self->written(error);
                                     self->write_from(offset + n);
                                   });
  });
}

void WebSocketLink::written(boost::system::error_code error) {
  if (error) {
    queue_.clear();
    report(engineio::CloseReason::transport_error);
    abort();
    return;
  }
  queued_bytes_ -= queue_.front().held();
  queue_.pop_front();
  if (!queue_.empty()) {
    write();
  } else if (closing_) {
    finish_close();
  }
}

void WebSocketLink::close() {
  if (std::exchange(closing_, true)) return;
  if (queue_.empty()) return finish_close();
  auto patience = std::make_shared<Timer>(stream_.get_executor(), kHandshakeTimeout);
  auto* const timer = patience.get();
  timer->async_wait([self = shared_from_this(), patience = std::move(patience)](boost::system::error_code) {
    if (!self->queue_.empty()) self->abort();
  });
}

void WebSocketLink::finish_close() {
  stream_.async_close(websocket::close_code::normal,
                      [self = shared_from_this()](boost::system::error_code) { self->abort(); });
}

void WebSocketLink::abort() {
  closing_ = true;
  boost::system::error_code ignored;
  stream_.next_layer().socket().close(ignored);
}

void WebSocketLink::report(engineio::CloseReason reason) {
  const bool heard = std::exchange(closing_, true);
  const auto owner = std::exchange(owner_, {}).lock();
  if (owner && !heard) owner->websocket_closed(*this, reason);
}

}  // namespace smaster::net
