#include "control/client.hpp"

#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <boost/asio/redirect_error.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <cerrno>
#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "base/text.hpp"
#include "control/stream.hpp"
#include "json/json.hpp"
#include "net/task_scope.hpp"

namespace smaster::control {
namespace {

namespace asio = net::asio;
namespace http = boost::beast::http;
using Stream = boost::beast::basic_stream<asio::local::stream_protocol, net::Executor>;

Error from_body(const std::string& body, unsigned status) {
  std::string sentence = "the server answered with HTTP status " + std::to_string(status);
  std::string kind;
  if (const auto value = json::parse(body); value && value->is_object()) {
    json::read(value->get_object(), "error", sentence);
    json::read(value->get_object(), "kind", kind);
  }
  return fail(from_word(kind), sentence);
}

/// One request and its response. `take` receives the body so far, and may remove what it has used.
class Exchange {
 public:
  Exchange(std::filesystem::path socket, Millis timeout) : path_(std::move(socket)), timeout_(timeout) {}

  /// `more`: source of the request's body, piece by piece; null: the body is in `request`.
  Result<void> run(http::request<http::string_body> request, const std::function<bool(std::string&)>& take,
                   const std::function<std::string()>& more = nullptr) {
    Result<void> result;
    net::TaskScope tasks(context_.get_executor(), "control client");
    tasks.spawn("request", talk(std::move(request), take, more, result), [&result] {
      result = fail(ErrorKind::internal, "the request failed in a way that should not happen");
    });
    context_.run();
    return result;
  }

  /// Aborts the exchange. Thread-safe.
  void stop() { context_.stop(); }

 private:
  net::Task<> talk(http::request<http::string_body> request, const std::function<bool(std::string&)>& take,
                   const std::function<std::string()>& more, Result<void>& result) {
    Stream stream(context_.get_executor());
    boost::system::error_code error;
    if (path_.string().size() >= 108) {
      result = fail(ErrorKind::unavailable, "the control socket's path is too long: " + path_.string());
      co_return;
    }
    if (connect(stream.socket(), error); error) {
      result = connect_error(error);
      co_return;
    }
    stream.expires_after(timeout_);
    if (more) {
      error = co_await write_pieces(stream, request, more);
    } else {
      request.prepare_payload();
      co_await http::async_write(stream, request, asio::redirect_error(net::use_task, error));
    }
    boost::beast::flat_buffer buffer;
    http::response_parser<http::string_body> parser;
    parser.body_limit(boost::none);
    if (!error)
      co_await http::async_read_header(stream, buffer, parser, asio::redirect_error(net::use_task, error));
    const bool good = !error && parser.get().result() == http::status::ok;
    while (!error && !parser.is_done()) {
      stream.expires_after(timeout_);
      co_await http::async_read_some(stream, buffer, parser, asio::redirect_error(net::use_task, error));
      if (!error && good && !take(parser.get().body())) co_return;
    }
    if (error) {
      result = talk_error(error);
    } else if (!good) {
      result = from_body(parser.get().body(), parser.get().result_int());
    }
  }

  /// Blocks until the server's queue of connections has room. A non-blocking connect would fail there with
  /// EAGAIN, which Asio takes for a connection under way (unix(7), connect(2)).
  void connect(Stream::socket_type& socket, boost::system::error_code& error) const {
    const asio::local::stream_protocol::endpoint endpoint(path_.string());
    const auto patience = std::max(timeout_, Millis{1});  // 0 would be: without limit
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(patience);
    timeval limit{};
    limit.tv_sec = seconds.count();
    limit.tv_usec = std::chrono::microseconds(patience - seconds).count();
    if (socket.open(endpoint.protocol(), error); error) return;
    int failed = setsockopt(socket.native_handle(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (failed == 0) {
      do {
        failed = ::connect(socket.native_handle(), endpoint.data(), static_cast<socklen_t>(endpoint.size()));
      } while (failed != 0 && errno == EINTR);
    }
    if (failed != 0) error.assign(errno, boost::system::system_category());
  }

  net::Task<boost::system::error_code> write_pieces(Stream& stream, http::request<http::string_body>& request,
                                                    const std::function<std::string()>& more) const {
    boost::system::error_code error;
    request.chunked(true);
    http::request_serializer<http::string_body> header(request);
    co_await http::async_write_header(stream, header, asio::redirect_error(net::use_task, error));
    while (!error) {
      const auto piece = more();
      stream.expires_after(timeout_);
      if (piece.empty()) break;
      co_await asio::async_write(stream, http::make_chunk(asio::buffer(piece)),
                                 asio::redirect_error(net::use_task, error));
    }
    if (!error) {
      co_await asio::async_write(stream, http::make_chunk_last(), asio::redirect_error(net::use_task, error));
    }
    co_return error;
  }

  [[nodiscard]] Error connect_error(boost::system::error_code error) const {
    if (error == asio::error::access_denied) {
      return fail(ErrorKind::not_permitted, "no permission to use the control socket " + path_.string());
    }
    if (error == asio::error::try_again) {
      return fail(ErrorKind::timed_out, "the server on " + path_.string() +
                                            " has accepted no connection for " + format_duration(timeout_) +
                                            "; try again, or give a longer --timeout");
    }
    return fail(ErrorKind::unavailable, "no server answers on the control socket " + path_.string() + " (" +
                                            error.message() +
                                            "); is \"smaster serve\" running, and with this socket?");
  }

  [[nodiscard]] Error talk_error(boost::system::error_code error) const {
    if (error == boost::beast::error::timeout) {
      return fail(ErrorKind::timed_out, "the server on " + path_.string() + " has not answered for " +
                                            format_duration(timeout_) +
                                            "; try again, or give a longer --timeout");
    }
    return fail(ErrorKind::unavailable, "the server on " + path_.string() +
                                            " went away before it had answered (" + error.message() + ')');
  }

  asio::io_context context_{2};  // concurrency hint 2: another thread may call stop()
  std::filesystem::path path_;
  Millis timeout_;
};

http::request<http::string_body> make_request(std::string_view method, std::string_view target,
                                              std::string body) {
  http::request<http::string_body> request(http::string_to_verb({method.data(), method.size()}),
                                           {target.data(), target.size()}, 11);
  request.set(http::field::host, "smaster");
  request.keep_alive(false);
  if (!body.empty()) request.set(http::field::content_type, "application/json");
  request.body() = std::move(body);
  return request;
}

/// Returns the whole response body. `more`: as in Exchange::run.
Result<std::string> whole_answer(Exchange&& exchange, http::request<http::string_body> request,
                                 const std::function<std::string()>& more) {
  std::string answer;
  const auto result = exchange.run(
      std::move(request),
      [&](std::string& received) {
        answer.append(received);
        received.clear();
        return true;
      },
      more);
  if (!result) return result.error();
  return answer;
}

}  // namespace

std::filesystem::path default_socket() {
  // NOLINTBEGIN(concurrency-mt-unsafe): tools read their environment before any thread starts
  if (const char* path = std::getenv("SMASTER_SOCKET"); path != nullptr && *path != '\0') return path;
  if (const char* folder = std::getenv("XDG_RUNTIME_DIR"); folder != nullptr && *folder != '\0') {
    return std::filesystem::path(folder) / "smaster/control.sock";
  }
  // NOLINTEND(concurrency-mt-unsafe)
  return "/run/smaster/control.sock";
}

Result<std::string> Client::request(std::string_view method, std::string_view target,
                                    std::string body) const {
  return whole_answer(Exchange(socket_, timeout_), make_request(method, target, std::move(body)), nullptr);
}

Result<void> Client::download(std::string_view target,
                              const std::function<void(std::string_view bytes)>& on_bytes) const {
  return Exchange(socket_, timeout_).run(make_request("GET", target, {}), [&](std::string& received) {
    on_bytes(received);
    received.clear();
    return true;
  });
}

Result<std::string> Client::upload(std::string_view method, std::string_view target,
                                   const std::function<std::string()>& next) const {
  return whole_answer(Exchange(socket_, timeout_), make_request(method, target, {}), next);
}

namespace {

/// A queue of lines from the reading thread to the printing thread.
class Ahead {
 public:
  /// Adds a line; blocks while the queue is full. False if no more lines are wanted.
  bool put(std::string line) {
    constexpr std::size_t kMost = 256 << 20;
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return bytes_ < kMost || enough_; });
    if (enough_) return false;
    bytes_ += line.size();
    lines_.push_back(std::move(line));
    changed_.notify_all();
    return true;
  }
  void end() {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    changed_.notify_all();
  }
  /// The next line; blocks while the queue is empty. nullopt at the end.
  std::optional<std::string> take() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !lines_.empty() || ended_; });
    if (lines_.empty()) return std::nullopt;
    auto line = std::move(lines_.front());
    lines_.pop_front();
    bytes_ -= line.size();
    changed_.notify_all();
    return line;
  }
  void enough() {
    const std::lock_guard lock(mutex_);
    enough_ = true;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::string> lines_;
  std::size_t bytes_ = 0;
  bool ended_ = false;
  bool enough_ = false;
};

/// Stops the reading thread and joins it.
struct Joined {
  Ahead& ahead;
  Exchange& exchange;
  std::thread& reader;

  ~Joined() {
    ahead.enough();
    exchange.stop();
    reader.join();
  }
};

}  // namespace

Result<void> Client::stream(std::string_view method, std::string_view target, std::string body,
                            const std::function<bool(std::string_view line)>& on_line) const {
  // Read in a separate thread: a pager that does not scroll must block only the printing, not the server.
  Ahead ahead;
  Exchange exchange(socket_, timeout_);
  Result<void> result;
  std::thread reader([&] {
    std::size_t searched = 0;
    result = exchange.run(make_request(method, target, std::move(body)), [&](std::string& received) {
      std::size_t begin = 0;
      for (auto end = received.find('\n', searched); end != std::string::npos;
           end = received.find('\n', begin)) {
        if (!ahead.put(received.substr(begin, end - begin))) return false;
        begin = end + 1;
      }
      received.erase(0, begin);
      searched = received.size();
      return true;
    });
    ahead.end();
  });
  bool more = true;
  {
    const Joined joined{ahead, exchange, reader};
    while (more) {
      const auto line = ahead.take();
      if (!line) break;
      more = on_line(*line);
    }
  }
  return more ? result : Result<void>();
}

}  // namespace smaster::control
