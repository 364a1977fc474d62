// The listening sockets, from one process of the server to the next, by systemd's convention
// (sd_listen_fds(3)): a restarted server finds them as one that systemd activates does.
#pragma once

#include <filesystem>
#include <string>

#include "base/fd.hpp"

namespace smaster::server {

struct ListeningSockets {
  Fd shards;   ///< named "shards"
  Fd control;  ///< named "control"
};

/// Those that this process was started with. Call once.
[[nodiscard]] ListeningSockets inherited_sockets();

/// Whether the socket listens at this address; port 0 stands for any.
[[nodiscard]] bool listens_at(const Fd& socket, const std::string& address, std::uint16_t port);
[[nodiscard]] bool listens_at(const Fd& socket, const std::filesystem::path& path);

/// Becomes `program` with these arguments, which find the sockets. Returns only when that fails.
void exec_with_sockets(const std::string& program, char** arguments, ListeningSockets sockets);

}  // namespace smaster::server
