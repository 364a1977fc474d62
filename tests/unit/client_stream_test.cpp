// The control client reads ahead of who uses the lines.
#include <gtest/gtest.h>
#include <unistd.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/streambuf.hpp>
#include <boost/asio/write.hpp>
#include <filesystem>
#include <future>
#include <thread>

#include "control/client.hpp"
#include "net/asio.hpp"

namespace smaster::control {
namespace {

namespace fs = std::filesystem;
using Protocol = net::asio::local::stream_protocol;

/// Answers one request with lines, and says when all are written.
class LineServer {
 public:
  LineServer(std::size_t count, std::string line)
      : thread_([this, count, line = line + '\n'] {
          Protocol::socket socket(context_);
          acceptor_.accept(socket);
          net::asio::streambuf request;
          net::asio::read_until(socket, request, "\r\n\r\n");
          boost::system::error_code error;
          net::asio::write(
              socket, net::asio::buffer(std::string("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")), error);
          for (std::size_t i = 0; i < count && !error; ++i)
            net::asio::write(socket, net::asio::buffer(line), error);
          written_.set_value(!error);
        }) {}
  ~LineServer() {
    thread_.join();
    fs::remove(path);
  }
  LineServer(const LineServer&) = delete;
  LineServer& operator=(const LineServer&) = delete;

  const fs::path path = fs::temp_directory_path() / ("smaster-client-" + std::to_string(::getpid()));
  [[nodiscard]] std::future<bool> written() { return written_.get_future(); }

 private:
  net::asio::io_context context_;
  Protocol::acceptor acceptor_{context_, Protocol::endpoint(path.string())};
  std::promise<bool> written_;
  std::thread thread_;
};

constexpr Millis kPatience{120'000};

TEST(ClientStream, WhoDoesNotTakeTheLinesHoldsUpNoServer) {
  constexpr std::size_t kLines = 20'000;  // twenty times what sockets hold
  LineServer server(kLines, std::string(1000, 'x'));
  auto written = server.written();
  std::size_t taken = 0;
  const auto done = Client(server.path, kPatience).stream("GET", "/", "", [&](std::string_view line) {
    if (taken++ == 0) {
      EXPECT_EQ(written.wait_for(kPatience), std::future_status::ready);
      EXPECT_TRUE(written.get());
    }
    EXPECT_EQ(line.size(), 1000U);
    return true;
  });
  EXPECT_TRUE(done);
  EXPECT_EQ(taken, kLines);
}

TEST(ClientStream, AServersFullQueueOfConnectionsIsWaitedFor) {
  const fs::path path = fs::temp_directory_path() / ("smaster-queue-" + std::to_string(::getpid()));
  net::asio::io_context context;
  Protocol::acceptor acceptor(context);
  acceptor.open(Protocol());
  acceptor.bind(Protocol::endpoint(path.string()));
  acceptor.listen(0);  // one waits, the next finds the queue full
  Protocol::socket first(context);
  first.connect(Protocol::endpoint(path.string()));
  const auto refused = Client(path, Millis{20}).request("GET", "/");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::timed_out) << refused.error().message;

  auto answer = std::async(std::launch::async, [&] { return Client(path, kPatience).request("GET", "/"); });
  (void)acceptor.accept();
  auto second = acceptor.accept();
  net::asio::streambuf request;
  net::asio::read_until(second, request, "\r\n\r\n");
  net::asio::write(second, net::asio::buffer(std::string("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")));
  EXPECT_TRUE(answer.get());
  fs::remove(path);
}

TEST(ClientStream, WhoHasSeenEnoughWaitsForNoMore) {
  LineServer server(1'000'000, std::string(1000, 'x'));
  std::size_t taken = 0;
  const auto done =
      Client(server.path, kPatience).stream("GET", "/", "", [&](std::string_view) { return ++taken < 3; });
  EXPECT_TRUE(done);
  EXPECT_EQ(taken, 3U);
}

}  // namespace
}  // namespace smaster::control
