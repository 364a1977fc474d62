// Passes the listening sockets from one process of the server to the next, in systemd's convention
// (sd_listen_fds(3)): a restarted server finds them like a server started by systemd.
#pragma once

#include <filesystem>
#include <string>

#include "base/fd.hpp"

namespace smaster::server {

struct ListeningSockets {
  Fd shards;   ///< named "shards"
  Fd control;  ///< named "control"
};

/// The sockets that this process was started with. Call once.
[[nodiscard]] ListeningSockets inherited_sockets();

/// True if the socket listens at this address; port 0 matches any.
[[nodiscard]] bool listens_at(const Fd& socket, const std::string& address, std::uint16_t port);
[[nodiscard]] bool listens_at(const Fd& socket, const std::filesystem::path& path);

/// Replaces this process by `program` with these arguments, which inherits the sockets. No other thread may
/// run. Returns only on failure.
void exec_with_sockets(const std::string& program, char** arguments, ListeningSockets sockets);

}  // namespace smaster::server
