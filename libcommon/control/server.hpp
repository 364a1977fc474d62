// The control socket's server side: HTTP/1.1 on a Unix socket, for this user and root alone, and for a group
// where one is named.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>

#include "base/fd.hpp"
#include "control/stream.hpp"
#include "net/task_scope.hpp"

namespace smaster::control {

template <class Socket>
class Connection;

class ControlServer {
 public:
  ControlServer(net::asio::io_context& context, Handler handler, Elsewhere elsewhere = {});
  ~ControlServer();
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;

  /// Who may use it beside this user and root, by name; bad_config when there is no such group. Call first.
  [[nodiscard]] Result<void> allow_group(const std::string& name);
  /// Binds the socket (0600, with a group 0660), making its folder (0700, with a group 0710) when it is
  /// missing; replaces a socket that nobody answers on.
  [[nodiscard]] Result<void> listen(const std::filesystem::path& path);
  /// Takes over a socket that listens already, at this path.
  void adopt(Fd socket, const std::filesystem::path& path);
  /// The listening socket once more, for a successor, whose path it is then.
  [[nodiscard]] Fd hand_over();
  void stop();
  /// Serves another server's connection as if it were one on the socket.
  net::Task<> serve(net::Stream stream);

 private:
  using Connection = control::Connection<net::LocalSocket>;
  net::Task<> accept_loop();
  net::Task<> hold(std::shared_ptr<Connection> connection, std::optional<Reply> refusal);

  Handler handler_;
  Elsewhere elsewhere_;
  net::LocalAcceptor acceptor_;
  net::Timer pause_;
  std::filesystem::path path_;
  std::optional<gid_t> group_;
  std::unordered_set<std::shared_ptr<Connection>> connections_;
  net::TaskScope tasks_;
};

}  // namespace smaster::control
