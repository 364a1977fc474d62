// The server side of the control socket: HTTP/1.1 on a Unix socket, accessible to this user, root, and
// optionally a group.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>

#include "base/fd.hpp"
#include "control/stream.hpp"
#include "net/crowd.hpp"
#include "net/descriptors.hpp"
#include "net/task_scope.hpp"

namespace smaster::control {

template <class Socket>
class Connection;

class ControlServer {
 public:
  ControlServer(net::asio::io_context& context, net::Descriptors& descriptors, Handler handler,
                Elsewhere elsewhere = {});
  ~ControlServer();
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;

  /// Grants a group access, in addition to this user and root. Call before listen(). Errors: bad_config if
  /// the group does not exist.
  [[nodiscard]] Result<void> allow_group(const std::string& name);
  /// Binds the socket (mode 0600, with a group 0660); creates its folder if missing (0700, with a group
  /// 0710). Replaces a stale socket that no server answers on. Errors: cannot_create.
  [[nodiscard]] Result<void> listen(const std::filesystem::path& path);
  /// Uses a socket that is listening already at this path.
  void adopt(Fd socket, const std::filesystem::path& path);
  /// A duplicate of the listening socket for a successor process, which then owns the path.
  [[nodiscard]] Fd hand_over();
  void stop();
  /// Serves a connection from another server as if it were local; `whose`: its address.
  net::Task<> serve(net::Stream stream, std::string whose);

 private:
  using Connection = control::Connection<net::LocalSocket>;
  void accept();
  void serve_local(net::LocalSocket socket, net::Place place);
  net::Task<> hold(std::shared_ptr<Connection> connection, std::optional<Reply> refusal);

  Handler handler_;
  Elsewhere elsewhere_;
  net::Descriptors& descriptors_;
  net::Crowd crowd_;
  net::LocalAcceptor acceptor_;
  std::filesystem::path path_;
  std::optional<gid_t> group_;
  std::unordered_set<std::shared_ptr<Connection>> connections_;
  net::TaskScope tasks_;
};

}  // namespace smaster::control
