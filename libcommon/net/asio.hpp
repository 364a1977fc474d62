// The Asio types of this program, with a concrete executor: this avoids type erasure on the hot path.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

#include "net/clock.hpp"

namespace smaster::net {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;

using Executor = asio::io_context::executor_type;
using Socket = asio::basic_stream_socket<tcp, Executor>;
using Acceptor = asio::basic_socket_acceptor<tcp, Executor>;
using LocalSocket = asio::basic_stream_socket<asio::local::stream_protocol, Executor>;
using LocalAcceptor = asio::basic_socket_acceptor<asio::local::stream_protocol, Executor>;
using Timer = asio::basic_waitable_timer<Clock, asio::wait_traits<Clock>, Executor>;

template <class T = void>
using Task = asio::awaitable<T, Executor>;
inline constexpr asio::use_awaitable_t<Executor> use_task{};

/// Runs `work` on the pool, then resumes the caller on its own thread with the result or exception.
/// Completion is posted to the caller's context directly, so it does not wait for other work in the pool.
/// `work` must capture by reference, which is safe because the caller waits: GCC 12 destroys by-value
/// captures in a co_await twice.
template <class Work>
Task<std::invoke_result_t<Work>> run_in(asio::thread_pool& pool, Work work) {
  static_assert(std::is_trivially_destructible_v<Work>);
  using Value = std::invoke_result_t<Work>;
  constexpr bool kVoid = std::is_void_v<Value>;
  std::optional<std::conditional_t<kVoid, std::monostate, Value>> value;
  std::exception_ptr failure;
  const Executor here = co_await asio::this_coro::executor;
  const auto start = [&](auto resume) {
    asio::post(pool, [&work, &value, &failure, here, resume = std::move(resume),
                      open = asio::make_work_guard(here)]() mutable {
      try {
        if constexpr (kVoid) {
          work();
          value.emplace();
        } else {
          value.emplace(work());
        }
      } catch (...) {
        failure = std::current_exception();
      }
      asio::post(here, std::move(resume));
    });
  };
  co_await asio::async_initiate<const asio::use_awaitable_t<Executor>, void()>(start, use_task);
  if (failure) std::rethrow_exception(failure);
  if constexpr (!kVoid) co_return std::move(*value);
}

/// Reads and discards input up to `most` bytes or the end. Without this, closing a socket that has unread
/// data resets the connection, and the answer just written may be lost.
template <class Stream>
Task<> drain(Stream& stream, std::size_t most) {
  char rest[4096];
  boost::system::error_code error;
  for (std::size_t taken = 0; !error && taken < most;) {
    taken += co_await stream.async_read_some(asio::buffer(rest), asio::redirect_error(use_task, error));
  }
}

}  // namespace smaster::net
