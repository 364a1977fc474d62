// Reads and writes the sockets of established websockets without Asio: one epoll set, one receive buffer and
// one turn of the loop for all that are ready. Asio itself costs two system calls and a wake-up for each
// message.
#pragma once

#include <boost/asio/execution_context.hpp>
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <cstdint>
#include <exception>
#include <memory>
#include <span>
#include <vector>

#include "base/fd.hpp"
#include "net/asio.hpp"

namespace smaster::net {

/// Whose socket is watched. All calls on the context's thread.
class Ready {
 public:
  virtual ~Ready() = default;
  /// The socket has data, or its peer has closed it.
  virtual void readable() = 0;
  /// The socket takes data again.
  virtual void writable() = 0;
  /// Sends what was queued in this turn of the loop.
  virtual void flush() = 0;
  /// A call has thrown.
  virtual void failed(const std::exception& error) = 0;
};

/// What one connection throws must not cost another anything.
template <class Call>
void guarded(Ready& ready, Call call) {
  try {
    call();
  } catch (const std::exception& error) {
    ready.failed(error);
  }
}

/// One for each io_context: Poller::of.
class Poller final : public asio::execution_context::service {
 public:
  static asio::execution_context::id id;
  explicit Poller(asio::execution_context& context);
  static Poller& of(asio::io_context& context) { return asio::use_service<Poller>(context); }

  /// Identifies a watched socket; one that was removed, or never added, is not found.
  struct Key {
    std::uint32_t slot = 0;
    std::uint32_t turn = 0;  ///< 0: of no socket
  };
  /// Watches a socket until `remove`, and keeps `ready` alive. Errors: the system's; `key` stays as it was.
  [[nodiscard]] boost::system::error_code add(int socket, std::shared_ptr<Ready> ready, Key& key);
  /// Calls `writable` once, when the socket takes data.
  void want_writable(int socket, Key key) { watch_for_data(socket, key, true); }
  void remove(int socket, Key key);
  /// Calls `flush` at the end of this turn of the loop.
  void flush_soon(std::shared_ptr<Ready> ready);
  /// More is about to come on a socket that was readable: the next turn is not delayed.
  void do_not_pause() { hurries_ = true; }
  /// For one read; shared by all sockets.
  [[nodiscard]] std::span<char> buffer() { return buffer_; }

 private:
  struct Watched {
    std::shared_ptr<Ready> ready;
    int socket = -1;
    std::uint32_t turn = 1;
    std::uint32_t window = 0;  ///< in which it was last readable
  };
  void shutdown() override;
  [[nodiscard]] bool watches() const { return free_.size() < watched_.size(); }
  void wait();
  void stop_waiting();
  void pause_until(Instant when);
  void run();
  /// Handles what is ready now. True if there is more.
  [[nodiscard]] bool handle_ready(Instant begun);
  void handle(std::uint64_t key, std::uint32_t events);
  void watch_for_data(int socket, Key key, bool and_writable);
  void begin_window(Instant now);
  void flush_some();

  asio::io_context& context_;
  Fd set_;  ///< of epoll
  /// The set, while Asio waits for it: otherwise each socket that becomes ready would wake the loop.
  asio::posix::basic_stream_descriptor<Executor> waiting_;
  Timer pause_;
  std::vector<char> buffer_;
  std::vector<Watched> watched_;
  std::vector<std::uint32_t> free_;
  std::vector<std::shared_ptr<Ready>> to_flush_;
  bool runs_ = false;          ///< `run` will be called
  bool hurries_ = false;       ///< do_not_pause was called in this turn
  bool flush_is_due_ = false;  ///< `flush_some` will run
  // How many sockets were readable in each window of kTogether:
  Instant window_end_{};
  std::uint32_t window_ = 0;
  std::uint32_t readable_ = 0;
  bool busy_ = false;  ///< many in the last window
};

}  // namespace smaster::net
