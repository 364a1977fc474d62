#include "server/process/inherited_sockets.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cstdlib>
#include <cstring>
#include <string_view>

namespace smaster::server {
namespace {

constexpr const char* kShards = "shards";
constexpr const char* kControl = "control";

/// The socket's address; its family is 0 if it cannot be read.
sockaddr_storage local_address(const Fd& socket) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) return {};
  return address;
}

}  // namespace

ListeningSockets inherited_sockets() {
  ListeningSockets sockets;
  char** names = nullptr;
  const int count = ::sd_listen_fds_with_names(1, &names);
  for (int i = 0; i < count; ++i) {
    Fd socket(SD_LISTEN_FDS_START + i);
    ::fcntl(socket.get(), F_SETFD, FD_CLOEXEC);
    const std::string_view name = names[i];
    if (name == kShards) sockets.shards = std::move(socket);
    if (name == kControl) sockets.control = std::move(socket);
    std::free(names[i]);
  }
  std::free(names);
  return sockets;
}

bool listens_at(const Fd& socket, const std::string& address, std::uint16_t port) {
  const auto local = local_address(socket);
  boost::asio::ip::tcp::endpoint endpoint;
  const auto size = local.ss_family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
  if (local.ss_family != AF_INET && local.ss_family != AF_INET6) return false;
  endpoint.resize(size);
  std::memcpy(endpoint.data(), &local, size);
  boost::system::error_code error;
  const auto wanted = boost::asio::ip::make_address(address, error);
  return !error && endpoint.address() == wanted && (port == 0 || endpoint.port() == port);
}

bool listens_at(const Fd& socket, const std::filesystem::path& path) {
  const auto local = local_address(socket);
  if (local.ss_family != AF_UNIX) return false;
  sockaddr_un address{};
  std::memcpy(&address, &local, sizeof address);
  std::error_code ignored;
  return path == address.sun_path && std::filesystem::is_socket(path, ignored);
}

void exec_with_sockets(const std::string& program, char** arguments, ListeningSockets sockets) {
  // Move them first, since they may have the numbers that are about to be assigned.
  const int shards = ::fcntl(sockets.shards.get(), F_DUPFD_CLOEXEC, SD_LISTEN_FDS_START + 2);
  const int control = ::fcntl(sockets.control.get(), F_DUPFD_CLOEXEC, SD_LISTEN_FDS_START + 2);
  (void)sockets.shards.release();
  (void)sockets.control.release();
  ::dup2(shards, SD_LISTEN_FDS_START);
  ::dup2(control, SD_LISTEN_FDS_START + 1);
  // NOLINTBEGIN(concurrency-mt-unsafe): all other threads have ended
  ::setenv("LISTEN_PID", std::to_string(::getpid()).c_str(), 1);
  ::setenv("LISTEN_FDS", "2", 1);
  ::setenv("LISTEN_FDNAMES", (std::string(kShards) + ':' + kControl).c_str(), 1);
  // NOLINTEND(concurrency-mt-unsafe)
  ::execv(program.c_str(), arguments);
}

}  // namespace smaster::server
