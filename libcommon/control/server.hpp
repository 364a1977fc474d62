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
  /// Serves another server's connection as if it were one on the socket; `whose`: its address.
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
