// Accepts connections, reads their HTTP requests within limits, and hands each to the Engine.IO endpoint or
// to the application. Knows no paths but the endpoint's.
#pragma once

#include <boost/asio/ssl/context.hpp>
#include <memory>
#include <string>
#include <unordered_set>

#include "base/fd.hpp"
#include "base/result.hpp"
#include "net/application.hpp"
#include "net/crowd.hpp"
#include "net/descriptors.hpp"
#include "net/engine_server.hpp"
#include "net/task_scope.hpp"

namespace smaster::net {

class HttpListener {
 public:
  HttpListener(asio::io_context& context, EngineServer& engine, Application& application,
               Descriptors& descriptors);
  ~HttpListener();
  HttpListener(const HttpListener&) = delete;
  HttpListener& operator=(const HttpListener&) = delete;

  /// Binds and listens; port 0 takes a free one. unavailable when the address cannot be bound.
  [[nodiscard]] Result<void> listen(const std::string& address, std::uint16_t port);
  /// Takes over a socket that listens already.
  void adopt(Fd socket);
  [[nodiscard]] tcp::endpoint endpoint() const;
  /// The listening socket once more, for a successor: what connects meanwhile waits in it.
  [[nodiscard]] Fd share();
  /// TLS for the connections that come from now on, with this certificate; none: without TLS.
  void set_tls(std::shared_ptr<asio::ssl::context> tls) { tls_ = std::move(tls); }
  /// Accepts no more and drops the connections that are not websockets.
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
  Timer sweep_;  ///< looks for connections that are too slow, while there are any
  Crowd crowd_;  ///< those whose peers are waited for
  std::unordered_set<std::shared_ptr<Connection>> connections_;
  TaskScope tasks_;
};

}  // namespace smaster::net
