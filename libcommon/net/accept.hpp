// The accept loop of a listener: takes a descriptor slot for each connection, and survives a lack of
// descriptors.
#pragma once

#include <boost/asio/redirect_error.hpp>
#include <utility>

#include "net/asio.hpp"
#include "net/crowd.hpp"
#include "net/descriptors.hpp"

namespace smaster::net {

/// True if an accept failed for lack of a resource that may become free again.
[[nodiscard]] inline bool is_shortage(const boost::system::error_code& error) {
  return error == boost::system::errc::too_many_files_open ||
         error == boost::system::errc::too_many_files_open_in_system ||
         error == boost::system::errc::no_buffer_space || error == boost::system::errc::not_enough_memory;
}

/// Sends an HTTP client a "busy" answer, as far as the socket takes it without blocking.
template <class AnySocket>
void refuse_busy(AnySocket& socket) {
  constexpr std::string_view kAnswer =
      "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 1\r\n"
      "Connection: close\r\nContent-Length: 64\r\n\r\n"
      R"({"error":"too many connections; try again","kind":"unavailable"})";
  boost::system::error_code ignored;
  socket.non_blocking(true, ignored);
  socket.write_some(asio::buffer(kAnswer), ignored);
  socket.shutdown(AnySocket::shutdown_send, ignored);
}

/// Calls `serve(socket, place)` for each connection. If the share is full, drops the lowest-ranked waiting
/// connection of `crowd` to make room (Crowd::drop_one). If there is none, calls `refuse(socket)`, which may
/// send an answer before the socket is closed. Returns when the acceptor is closed.
template <class Listening, class Serve, class Refuse>
Task<> accept_each(Listening& acceptor, Descriptors& descriptors, Share share, Crowd& crowd, Serve serve,
                   Refuse refuse) {
  constexpr std::chrono::milliseconds kShortage{20};  // pause if the machine has no descriptors left
  Timer pause(acceptor.get_executor());
  while (acceptor.is_open()) {
    boost::system::error_code error;
    auto socket = co_await acceptor.async_accept(asio::redirect_error(use_task, error));
    if (error == asio::error::operation_aborted) co_return;
    if (is_shortage(error) && !descriptors.exhausted()) {
      descriptors.refuse_next(acceptor.native_handle());
      pause.expires_after(kShortage);
      boost::system::error_code ignored;
      co_await pause.async_wait(asio::redirect_error(use_task, ignored));
    }
    if (error) continue;
    auto place = descriptors.take(share);
    if (!place) {
      descriptors.full(share);
      if (crowd.drop_one()) place = descriptors.take(share);
    }
    if (place) {
      serve(std::move(socket), std::move(place));
    } else {
      refuse(socket);
    }
  }
}

}  // namespace smaster::net
