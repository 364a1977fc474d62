// The lowest floor for bench/run: a websocket echo on epoll alone, with one buffer for all connections. It
// takes for granted that a message comes whole in one read, as the load generator's do. Prints its port.
#include <arpa/inet.h>
#include <botan/base64.h>
#include <botan/hash.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <iostream>
#include <string>
#include <string_view>

namespace {

/// Of a client's frame of 126 to 65,535 bytes, with its mask (RFC 6455, 5.2).
constexpr std::size_t kHeader = 8;
constexpr std::size_t kAnswerHeader = 4;

/// The answer to an upgrade (RFC 6455, 4.2.2).
std::string accept(std::string_view request) {
  constexpr std::string_view kField = "Sec-WebSocket-Key: ";
  const auto key = request.substr(request.find(kField) + kField.size(), 24);
  const auto sha1 = Botan::HashFunction::create_or_throw("SHA-1");
  sha1->update(std::string(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
  return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
         "Sec-WebSocket-Accept: " +
         Botan::base64_encode(sha1->final_stdvec()) + "\r\n\r\n";
}

/// Makes the answer of a frame in its place; returns where it begins. The length stays, the mask goes.
std::uint8_t* answer(std::uint8_t* frame, std::size_t size) {
  const auto* const mask = frame + kAnswerHeader;
  for (std::size_t i = kHeader; i < size; ++i) frame[i] ^= mask[(i - kHeader) % 4];
  auto* const begin = frame + kHeader - kAnswerHeader;
  std::copy_backward(frame, frame + kAnswerHeader, begin + kAnswerHeader);
  begin[1] &= 0x7f;
  return begin;
}

}  // namespace

int main() {
  const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  auto* const name = reinterpret_cast<sockaddr*>(&address);
  if (::bind(listener, name, length) != 0 || ::listen(listener, SOMAXCONN) != 0) return 1;
  ::getsockname(listener, name, &length);
  std::cout << ntohs(address.sin_port) << std::endl;

  const int epoll = ::epoll_create1(0);
  const auto watch = [epoll](int fd) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    ::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
  };
  watch(listener);
  std::array<std::uint8_t, 65'536> buffer{};
  std::array<epoll_event, 256> events{};
  while (true) {
    const int count = ::epoll_wait(epoll, events.data(), static_cast<int>(events.size()), -1);
    for (int i = 0; i < count; ++i) {
      const int fd = events[static_cast<std::size_t>(i)].data.fd;
      if (fd == listener) {
        const int socket = ::accept(listener, nullptr, nullptr);
        const int on = 1;
        ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        watch(socket);
        continue;
      }
      const auto got = ::recv(fd, buffer.data(), buffer.size(), 0);
      if (got <= 0) {
        ::close(fd);
      } else if (buffer[0] == 'G') {
        const auto text =
            accept({reinterpret_cast<const char*>(buffer.data()), static_cast<std::size_t>(got)});
        (void)::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
      } else {
        const auto size = static_cast<std::size_t>(got);
        const auto* const begin = answer(buffer.data(), size);
        (void)::send(fd, begin, size - kHeader + kAnswerHeader, MSG_NOSIGNAL);
      }
    }
  }
}
