// Accepts connections, reads their HTTP requests within limits, and passes each to the Engine.IO endpoint or
// the application. Knows no paths except the endpoint's.
#pragma once

#include <boost/asio/ssl/context.hpp>
#include <memory>
#include <string>
#include <unordered_set>

#include "base/fd.hpp"
#include "base/result.hpp"
#include "net/crowd.hpp"
#include "net/descriptors.hpp"
#include "net/engineio/application.hpp"
#include "net/engineio/server.hpp"
#include "net/task_scope.hpp"

namespace smaster::net {

class HttpListener {
 public:
  HttpListener(asio::io_context& context, EngineServer& engine, Application& application,
               Descriptors& descriptors);
  ~HttpListener();
  HttpListener(const HttpListener&) = delete;
  HttpListener& operator=(const HttpListener&) = delete;

  /// Binds and listens; port 0 chooses a free one. Errors: bad_config if `address` is no IP address,
  /// cannot_create if it cannot be bound.
  [[nodiscard]] Result<void> listen(const std::string& address, std::uint16_t port);
  /// Uses a socket that is listening already.
  void adopt(Fd socket);
  [[nodiscard]] tcp::endpoint endpoint() const;
  /// A duplicate of the listening socket for a successor process. Connections made in between wait in its
  /// queue.
  [[nodiscard]] Fd share();
  /// Sets the TLS context of new connections; null: plain HTTP.
  void set_tls(std::shared_ptr<asio::ssl::context> tls) { tls_ = std::move(tls); }
  /// Stops accepting, and closes all connections that are not websockets.
  void stop();

 private:
  class Connection;
  void accept();
  Task<> hold(std::shared_ptr<Connection> connection);
  void arm_sweep();

  EngineServer& engine_;
  Application& application_;
  Descriptors& descriptors_;
  Acceptor acceptor_;
  std::shared_ptr<asio::ssl::context> tls_;
  Timer sweep_;  ///< checks for timeouts while there are connections
  Crowd crowd_;  ///< connections that wait for their peers
  std::unordered_set<std::shared_ptr<Connection>> connections_;
  TaskScope tasks_;
};

}  // namespace smaster::net
