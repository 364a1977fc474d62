// Waiting until a socket is readable, without reading.
#pragma once

#include <poll.h>

#include <boost/system/error_code.hpp>
#include <memory>
#include <utility>

namespace smaster::net {

/// Tells once that a socket has bytes, an end or an error. Asio's own wait may end early: if a descriptor is
/// closed in the turn of the loop in which it became ready, that readiness is taken for the one of the next
/// descriptor, which gets its place. The socket must outlive this object.
template <class Socket>
class ReadableWait {
 public:
  explicit ReadableWait(Socket& socket) : socket_(socket) {}
  ~ReadableWait() { stop(); }
  ReadableWait(const ReadableWait&) = delete;
  ReadableWait& operator=(const ReadableWait&) = delete;

  /// `readable` is called once at most, in a later turn of the loop.
  template <class Handler>
  void start(Handler readable) {
    waits_ = std::make_shared<bool>(true);
    arm(socket_, waits_, std::move(readable));
  }
  /// From now on `readable` is not called. Cancels what waits on the socket, unless it was called already.
  void stop() {
    if (!waits_ || !std::exchange(*waits_, false)) return;
    boost::system::error_code ignored;
    socket_.cancel(ignored);
  }

 private:
  template <class Handler>
  static void arm(Socket& socket, std::shared_ptr<bool> waits, Handler readable) {
    socket.async_wait(Socket::wait_read, [&socket, waits = std::move(waits), readable = std::move(readable)](
                                             boost::system::error_code error) mutable {
      if (error || !*waits) return;  // the socket may be gone
      pollfd state{socket.native_handle(), POLLIN, 0};
      if (::poll(&state, 1, 0) == 0) return arm(socket, std::move(waits), std::move(readable));
      *waits = false;
      readable();
    });
  }

  Socket& socket_;
  std::shared_ptr<bool> waits_;
};

}  // namespace smaster::net
