// A TCP connection with or without TLS: one type, so that code on top of it is compiled once.
#pragma once

#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <memory>
#include <string>
#include <utility>

#include "base/result.hpp"
#include "net/asio.hpp"
#include "net/descriptors.hpp"

namespace smaster::net {

class Stream {
 public:
  using executor_type = Executor;
  using lowest_layer_type = Socket;

  /// `place`: the descriptor slot, released when the connection is closed.
  explicit Stream(Socket socket, Place place = {})
      : socket_(std::make_unique<Socket>(std::move(socket))), place_(std::move(place)) {}

  /// Starts TLS as a client. Verifies that the certificate is valid for `host` and trusted by `context`.
  Task<boost::system::error_code> start_tls(asio::ssl::context& context, const std::string& host);

  /// Starts TLS as a server, with the certificate of `context`.
  Task<boost::system::error_code> accept_tls(asio::ssl::context& context);

  /// Why the peer's certificate was rejected; empty: accepted, or none was received.
  [[nodiscard]] std::string certificate_error() const;

  [[nodiscard]] bool is_tls() const { return tls_ != nullptr; }
  [[nodiscard]] Place& place() { return place_; }
  [[nodiscard]] Executor get_executor() { return socket_->get_executor(); }
  [[nodiscard]] Socket& socket() { return *socket_; }
  [[nodiscard]] const Socket& lowest_layer() const { return *socket_; }
  [[nodiscard]] Socket& lowest_layer() { return *socket_; }

  // Same names as a socket's. `async_wait` does not see data that TLS has already read.
  static constexpr auto wait_read = Socket::wait_read;
  static constexpr auto shutdown_send = Socket::shutdown_send;
  static constexpr auto shutdown_both = Socket::shutdown_both;
  template <class Token>
  auto async_wait(Socket::wait_type what, Token&& token) {
    return socket_->async_wait(what, std::forward<Token>(token));
  }
  [[nodiscard]] Socket::native_handle_type native_handle() { return socket_->native_handle(); }
  void cancel(boost::system::error_code& error) { socket_->cancel(error); }
  void shutdown(Socket::shutdown_type what, boost::system::error_code& error) {
    socket_->shutdown(what, error);
  }
  void close(boost::system::error_code& error) {
    socket_->close(error);
    place_.release();
  }

  template <class Buffers, class Token>
  auto async_read_some(const Buffers& buffers, Token&& token) {
    return tls_ ? tls_->async_read_some(buffers, std::forward<Token>(token))
                : socket_->async_read_some(buffers, std::forward<Token>(token));
  }
  template <class Buffers, class Token>
  auto async_write_some(const Buffers& buffers, Token&& token) {
    return tls_ ? tls_->async_write_some(buffers, std::forward<Token>(token))
                : socket_->async_write_some(buffers, std::forward<Token>(token));
  }

  /// Beast's customisation point to close at once.
  friend void beast_close_socket(Stream& stream) {
    boost::system::error_code ignored;
    stream.close(ignored);
  }

 private:
  std::unique_ptr<Socket> socket_;  ///< on the heap, because TLS keeps a reference to it
  std::unique_ptr<asio::ssl::stream<Socket&>> tls_;
  Place place_;
};

/// The TLS context of a client. Trusts the system's certificate authorities, and those in `ca_file` unless
/// empty. Presents `certificate` with `key` (PEM files) unless empty. Errors: bad_config if a file cannot be
/// used.
[[nodiscard]] Result<std::shared_ptr<asio::ssl::context>> client_tls_context(
    const std::string& ca_file, const std::string& certificate = "", const std::string& key = "");

/// The TLS context of a server: a certificate chain and its key, both PEM files. Allows TLS 1.2 with forward
/// secrecy and authenticated ciphers, and newer. Errors: bad_config if a file cannot be read or key and
/// certificate do not match.
[[nodiscard]] Result<std::shared_ptr<asio::ssl::context>> server_tls_context(const std::string& certificate,
                                                                             const std::string& key);

}  // namespace smaster::net
