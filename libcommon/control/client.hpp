// The tools' side of the control socket.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/types.hpp"

namespace smaster::control {

/// Where the server listens when nobody says otherwise: $SMASTER_SOCKET, else
/// $XDG_RUNTIME_DIR/smaster/control.sock, else /run/smaster/control.sock.
[[nodiscard]] std::filesystem::path default_socket();

class Client {
 public:
  /// `timeout`: how long the server may stay silent.
  Client(std::filesystem::path socket, Millis timeout) : socket_(std::move(socket)), timeout_(timeout) {}

  /// Sends a request and returns its answer's body. unavailable when no server answers on the socket,
  /// timed_out when it is silent, else what the server said.
  [[nodiscard]] Result<std::string> request(std::string_view method, std::string_view target,
                                            std::string body = {}) const;
  /// The same for an answer in lines; each is handed on as it comes, in the caller's thread. What it has not
  /// taken yet waits in memory, up to 256 MiB. `on_line` returns false to stop listening.
  [[nodiscard]] Result<void> stream(std::string_view method, std::string_view target, std::string body,
                                    const std::function<bool(std::string_view line)>& on_line) const;
  /// GETs bytes, handed on as they come.
  [[nodiscard]] Result<void> download(std::string_view target,
                                      const std::function<void(std::string_view bytes)>& on_bytes) const;
  /// Sends the bytes that `next` gives until it gives none.
  [[nodiscard]] Result<std::string> upload(std::string_view method, std::string_view target,
                                           const std::function<std::string()>& next) const;

 private:
  std::filesystem::path socket_;
  Millis timeout_;
};

}  // namespace smaster::control
