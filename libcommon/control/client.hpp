// The client side of the control socket, for the tools. All calls block.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/types.hpp"

namespace smaster::control {

/// The default path of the control socket: $SMASTER_SOCKET, else $XDG_RUNTIME_DIR/smaster/control.sock, else
/// /run/smaster/control.sock.
[[nodiscard]] std::filesystem::path default_socket();

class Client {
 public:
  /// `timeout`: maximum time without data from the server.
  Client(std::filesystem::path socket, Millis timeout) : socket_(std::move(socket)), timeout_(timeout) {}

  /// Sends a request and returns the response body. Errors: unavailable if no server answers on the socket,
  /// not_permitted if it belongs to another user, timed_out if the server is silent, else the server's error.
  [[nodiscard]] Result<std::string> request(std::string_view method, std::string_view target,
                                            std::string body = {}) const;
  /// Like `request`, but for a response in lines: `on_line` is called for each, in the caller's thread. Lines
  /// not processed yet are queued, up to 256 MiB. `on_line` returns false to stop.
  [[nodiscard]] Result<void> stream(std::string_view method, std::string_view target, std::string body,
                                    const std::function<bool(std::string_view line)>& on_line) const;
  /// GETs binary data in pieces.
  [[nodiscard]] Result<void> download(std::string_view target,
                                      const std::function<void(std::string_view bytes)>& on_bytes) const;
  /// Sends the pieces that `next` returns, until an empty one.
  [[nodiscard]] Result<std::string> upload(std::string_view method, std::string_view target,
                                           const std::function<std::string()>& next) const;

 private:
  std::filesystem::path socket_;
  Millis timeout_;
};

}  // namespace smaster::control
