// One sql-worker process: sends it frames, receives frames, notices its end. Knows nothing about statements.
#pragma once

#include <sys/types.h>

#include <array>
#include <functional>
#include <memory>
#include <string>

#include "base/result.hpp"
#include "net/asio.hpp"
#include "sql/frames.hpp"

namespace smaster::server {

/// Calls back from the context only, never from within a call to it.
class SqlProcess : public std::enable_shared_from_this<SqlProcess> {
 public:
  /// A frame's payload.
  using OnFrame = std::function<void(std::string)>;
  /// The process has ended; `how` is "exit code 1", "signal 9" or "not known". No callback follows.
  using OnEnd = std::function<void(const std::string& how)>;

  /// Starts a process and sends it `order`, with `order.parent` filled in. Errors: cannot_create.
  [[nodiscard]] static Result<std::shared_ptr<SqlProcess>> start(net::asio::io_context& context,
                                                                 sql::Order order, OnFrame on_frame,
                                                                 OnEnd on_end);
  SqlProcess(net::asio::io_context& context, pid_t pid, net::LocalSocket channel, OnFrame on_frame,
             OnEnd on_end);

  /// Sends a frame after those sent before.
  void send(std::string_view payload);
  /// Kills the process with SIGKILL. Its end is reported later.
  void kill();
  /// No callback is called any more.
  void forget();
  /// Waits until the process has ended, for a second at most; blocks. For the server's end, when no context
  /// runs.
  void join();

 private:
  void write();
  void read_header();
  void read_payload(std::size_t size);
  void reap();

  const pid_t pid_;
  net::LocalSocket channel_;
  net::Timer timer_;
  OnFrame on_frame_;
  OnEnd on_end_;
  std::array<char, sql::kFrameHeader> header_{};
  std::string incoming_;
  std::string outgoing_;  ///< what is not written yet
  bool writing_ = false;
  bool killed_ = false;
  bool reaped_ = false;
};

}  // namespace smaster::server
