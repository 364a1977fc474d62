// The control socket's server side: HTTP/1.1 on a Unix socket, for this user and root alone.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <unordered_set>

#include "base/fd.hpp"
#include "control/stream.hpp"

namespace smaster::control {

class ControlServer {
 public:
  using Handler = std::function<net::Task<Answer>(Call)>;

  ControlServer(net::asio::io_context& context, Handler handler);
  ~ControlServer();
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;

  /// Binds the socket (0600), making its folder (0700) when it is missing; replaces a socket that nobody
  /// answers on.
  [[nodiscard]] Result<void> listen(const std::filesystem::path& path);
  /// Takes over a socket that listens already, at this path.
  void adopt(Fd socket, const std::filesystem::path& path);
  /// The listening socket once more, for a successor, whose path it is then.
  [[nodiscard]] Fd hand_over();
  void stop();

 private:
  class Connection;
  net::Task<> accept_loop();

  Handler handler_;
  net::LocalAcceptor acceptor_;
  net::Timer pause_;
  std::filesystem::path path_;
  std::unordered_set<std::shared_ptr<Connection>> connections_;
};

}  // namespace smaster::control
