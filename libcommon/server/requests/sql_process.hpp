// One sql-worker process as the server sees it: frames to it, frames from it, its end. Knows no statements.
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
  /// The process has gone; `how` is "exit code 1", "signal 9" or "not known". Last call of all.
  using OnEnd = std::function<void(const std::string& how)>;

  /// Starts one and sends it its order; `order.parent` is filled in. cannot_create when that fails.
  [[nodiscard]] static Result<std::shared_ptr<SqlProcess>> start(net::asio::io_context& context,
                                                                 sql::Order order, OnFrame on_frame,
                                                                 OnEnd on_end);
  SqlProcess(net::asio::io_context& context, pid_t pid, net::LocalSocket channel, OnFrame on_frame,
             OnEnd on_end);

  /// At most one frame is on its way at a time, after the order.
  void send(std::string_view payload);
  /// It is gone soon, whatever it does.
  void kill();
  /// Nothing is called back any more.
  void forget();
  /// Waits until it has gone, though not for long. For the server's end, when no context runs.
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
