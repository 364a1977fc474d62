#include "net/http_listener.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>

#include <algorithm>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <ctime>
#include <utility>

#include "net/clock.hpp"
#include "net/stream.hpp"

namespace smaster::net {
namespace {

namespace beast = boost::beast;
namespace http = beast::http;

constexpr std::uint32_t kMaxHeader = 16 * 1024;      ///< bytes of request line and headers
constexpr std::chrono::seconds kFirstTimeout{15};    ///< from connecting to a whole first request's headers
constexpr std::chrono::seconds kIdleTimeout{75};     ///< between a kept-alive connection's requests
constexpr std::chrono::seconds kRequestTimeout{30};  ///< to send a request's body, or to take an answer
constexpr std::chrono::seconds kPiecesTimeout{120};  ///< to take an answer in pieces, each in kRequestTimeout
constexpr std::chrono::seconds kRefusedTimeout{1};   ///< to take the answer to a request that is not read
constexpr std::size_t kMaxDrained = 256 * 1024;      ///< bytes of a request that is refused unread
constexpr std::chrono::seconds kAcceptPause{1};      ///< after an accept that failed for lack of descriptors
constexpr std::chrono::seconds kSweep{1};            ///< how late a timeout may be
constexpr std::chrono::seconds kQuiet{10};           ///< without trouble, until it is over
constexpr std::size_t kMostWaiting = 10'000;         ///< connections that we wait for

/// The highest descriptor that a connection may have: some are kept for files, the control socket, databases.
int highest_descriptor() {
  constexpr int kSpare = 64;
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > INT_MAX) return INT_MAX;
  const auto most = static_cast<int>(limit.rlim_cur);
  return most - std::min(kSpare, most / 4);
}

/// The time as HTTP has it (RFC 9110, 5.6.7): a client whose clock is off can tell by it.
std::string http_date() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  char text[32];
  return {text, std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts)};
}

}  // namespace

/// One accepted connection, from its first request until it closes or becomes a websocket.
class HttpListener::Connection {
 public:
  Connection(Socket socket, EngineServer& engine, Application& application)
      : stream_(std::move(socket)), engine_(engine), application_(application) {
    expires_after(kFirstTimeout);
  }

  Task<> run(std::shared_ptr<asio::ssl::context> tls) {
    boost::system::error_code error;
    const auto remote = stream_->socket().remote_endpoint(error);
    if (error) co_return;
    stream_->socket().set_option(tcp::no_delay(true), error);
    if (tls) {
      if (error = co_await stream_->accept_tls(*tls); error) co_return;
    }
    while (co_await serve_one(remote.address())) expires_after(kIdleTimeout);
    if (stream_) stream_->socket().shutdown(Socket::shutdown_send, error);
  }

  void drop() {
    if (stream_) beast_close_socket(*stream_);
    deadline_ = Instant::max();  // it is not waited for any more
  }
  /// Until when the peer must have done what it is waited for; never, when it is the peer who waits.
  [[nodiscard]] Instant deadline() const { return deadline_; }

 private:
  /// Reads and answers one request; false when the connection is done with.
  Task<bool> serve_one(const asio::ip::address& peer) {
    boost::system::error_code error;
    http::request_parser<http::string_body> parser;
    parser.header_limit(kMaxHeader);
    parser.body_limit(engine_.options().engine.max_payload);
    co_await http::async_read_header(*stream_, buffer_, parser, asio::redirect_error(use_task, error));
    expires_after(kRequestTimeout);
    if (!error && !parser.is_done()) {
      const auto most = engine_.max_body(parser.get());
      parser.body_limit(most);
      if (parser.content_length().value_or(0) > most) error = http::error::body_limit;
    }
    if (!error) {
      if (beast::iequals(parser.get()[http::field::expect], "100-continue")) {
        http::response<http::empty_body> go_on(http::status::continue_, parser.get().version());
        co_await http::async_write(*stream_, go_on, asio::redirect_error(use_task, error));
      }
      if (!error) co_await http::async_read(*stream_, buffer_, parser, asio::redirect_error(use_task, error));
    }
    if (error) {
      co_await refuse(error);
      co_return false;
    }
    const Request request = parser.release();
    deadline_ = Instant::max();
    if (!engine_.owns({request.target().data(), request.target().size()})) {
      if (const auto take = application_.upgrade(request)) {
        co_await hand_over(request, take);
        co_return false;
      }
      auto answer = co_await application_.answer(request, peer);
      if (answer.pieces) co_return co_await write(std::move(answer.response), answer.pieces);
      co_return co_await write(std::move(answer.response));
    }
    auto outcome = co_await engine_.handle(request, peer);
    if (auto* response = std::get_if<Response>(&outcome)) co_return co_await write(std::move(*response));
    if (auto* poll = std::get_if<EngineServer::Poll>(&outcome))
      co_return co_await wait(request, *poll->session);
    co_await upgrade(request, std::get<EngineServer::Upgrade>(std::move(outcome)));
    co_return false;
  }

  /// Says what was wrong with a request that could not be read, where there is still somebody to tell.
  Task<> refuse(boost::system::error_code error) {
    // A peer that has gone, or is too slow, is told nothing; what is left of HTTP's errors is malformed
    // requests.
    if (error.category() != make_error_code(http::error::bad_method).category() ||
        error == http::error::end_of_stream || error == http::error::partial_message) {
      co_return;
    }
    const auto status = error == http::error::body_limit     ? http::status::payload_too_large
                        : error == http::error::header_limit ? http::status::request_header_fields_too_large
                                                             : http::status::bad_request;
    Response response(status, 11);
    response.keep_alive(false);
    response.body() = std::string(http::obsolete_reason(status)) + '\n';
    response.prepare_payload();
    co_await write(std::move(response));
    // Reading on for a moment lets the answer arrive: closing with unread data would reset the connection.
    expires_after(kRefusedTimeout);
    stream_->socket().shutdown(Socket::shutdown_send, error);
    co_await drain(*stream_, kMaxDrained);
  }

  Task<bool> write(Response response) {
    boost::system::error_code error;
    expires_after(kRequestTimeout);
    const bool keep = response.keep_alive();
    response.set(http::field::date, http_date());
    co_await http::async_write(*stream_, response, asio::redirect_error(use_task, error));
    co_return keep && !error;
  }

  /// A body in pieces: chunked, or for HTTP/1.0 up to the connection's end.
  Task<bool> write(Response head, const Pieces& pieces) {
    boost::system::error_code error;
    const bool chunked = head.version() >= 11;
    const bool keep = chunked && head.keep_alive();
    const auto last = net::now() + kPiecesTimeout;
    head.keep_alive(keep);
    if (chunked) head.chunked(true);
    head.set(http::field::date, http_date());
    http::response_serializer<http::string_body> serializer(head);
    expires_after(kRequestTimeout);
    co_await http::async_write_header(*stream_, serializer, asio::redirect_error(use_task, error));
    while (!error) {
      deadline_ = Instant::max();
      const auto piece = co_await pieces();
      if (!piece) co_return false;
      deadline_ = std::min(net::now() + kRequestTimeout, last);
      if (piece->empty()) break;
      if (chunked) {
        co_await asio::async_write(*stream_, http::make_chunk(asio::buffer(*piece)),
                                   asio::redirect_error(use_task, error));
      } else {
        co_await asio::async_write(*stream_, asio::buffer(*piece), asio::redirect_error(use_task, error));
      }
    }
    if (!error && chunked) {
      co_await asio::async_write(*stream_, http::make_chunk_last(), asio::redirect_error(use_task, error));
    }
    co_return keep && !error;
  }

  Task<bool> wait(const Request& request, EngineSession& session) {
    const auto alive = session.shared_from_this();
    WaitingPoll poll(stream_->get_executor());
    std::string body;
    switch (session.poll(poll, body)) {
      case engineio::Session::Answer::ok:
        co_return co_await write(engine_.poll_response(request, std::move(body)));
      case engineio::Session::Answer::refused:
        co_return co_await write(engine_.bad_request(request));
      case engineio::Session::Answer::waiting:
        break;
    }
    // Woken by the session's answer, or by the client going away: a waiting client has nothing to say.
    bool gone = false;
    stream_->socket().async_wait(Socket::wait_read, [this, &poll, &gone](boost::system::error_code error) {
      if (error == asio::error::operation_aborted) return;
      gone = peer_closed();
      if (gone) poll.wake.cancel();
    });
    boost::system::error_code woken;
    poll.wake.expires_at(Timer::time_point::max());
    co_await poll.wake.async_wait(asio::redirect_error(use_task, woken));
    if (!poll.body) {
      session.poll_gone();
      co_return false;
    }
    // The watch must not outlive what it points to: cancel it and let its handler run first.
    stream_->socket().cancel(woken);
    co_await asio::post(stream_->get_executor(), use_task);
    const bool keep = co_await write(engine_.poll_response(request, *std::move(poll.body)));
    // What it did not take is lost, and so is the session with it.
    if (!keep && request.keep_alive())
      session.state().closed_by_transport(engineio::CloseReason::transport_error);
    co_return keep;
  }

  /// Looks for the end behind whatever else may have come, such as TLS's goodbye.
  [[nodiscard]] bool peer_closed() {
    pollfd peer{stream_->socket().native_handle(), POLLRDHUP, 0};
    return ::poll(&peer, 1, 0) > 0;
  }

  void expires_after(std::chrono::seconds time) { deadline_ = std::chrono::steady_clock::now() + time; }

  Task<> upgrade(const Request& request, EngineServer::Upgrade upgrade) {
    const auto& limits = engine_.options().engine;
    auto link = std::make_shared<WebSocketLink>(std::move(*stream_), limits.max_payload, limits.max_queued);
    stream_.reset();
    if (co_await link->accept(request)) engine_.adopt(std::move(upgrade), std::move(link));
  }

  /// To what speaks the protocol that the request asks for.
  Task<> hand_over(const Request& request, const std::function<Task<>(Stream)>& take) {
    http::response<http::empty_body> response(http::status::switching_protocols, 11);
    response.set(http::field::connection, "Upgrade");
    response.set(http::field::upgrade, request[http::field::upgrade]);
    boost::system::error_code error;
    co_await http::async_write(*stream_, response, asio::redirect_error(use_task, error));
    if (error) co_return;
    auto stream = *std::move(stream_);
    stream_.reset();
    auto taken = take(std::move(stream));
    co_await std::move(taken);
  }

  std::optional<Stream> stream_;  ///< until it is a websocket's
  Instant deadline_ = Instant::max();
  beast::flat_buffer buffer_;
  EngineServer& engine_;
  Application& application_;
};

HttpListener::HttpListener(asio::io_context& context, EngineServer& engine, Application& application)
    : engine_(engine),
      application_(application),
      acceptor_(context.get_executor()),
      pause_(context.get_executor()),
      sweep_(context.get_executor()),
      highest_descriptor_(highest_descriptor()) {}

HttpListener::~HttpListener() { stop(); }

Result<void> HttpListener::listen(const std::string& address, std::uint16_t port) {
  boost::system::error_code error;
  const auto ip = asio::ip::make_address(address, error);
  if (error) return fail(ErrorKind::bad_config, "server.address: \"" + address + "\" is not an IP address");
  const tcp::endpoint endpoint(ip, port);
  acceptor_.open(endpoint.protocol(), error);
  if (!error) acceptor_.set_option(Acceptor::reuse_address(true), error);
  if (!error) acceptor_.bind(endpoint, error);
  if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
  if (error) {
    boost::system::error_code ignored;
    acceptor_.close(ignored);
    return fail(ErrorKind::cannot_create,
                "cannot listen on " + address + ":" + std::to_string(port) + ": " + error.message());
  }
  asio::co_spawn(acceptor_.get_executor(), accept_loop(), asio::detached);
  return {};
}

void HttpListener::adopt(Fd socket) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size);
  acceptor_.assign(address.ss_family == AF_INET6 ? tcp::v6() : tcp::v4(), socket.release());
  asio::co_spawn(acceptor_.get_executor(), accept_loop(), asio::detached);
}

Fd HttpListener::share() { return Fd(::fcntl(acceptor_.native_handle(), F_DUPFD_CLOEXEC, 0)); }

tcp::endpoint HttpListener::endpoint() const {
  boost::system::error_code error;
  return acceptor_.local_endpoint(error);
}

Task<> HttpListener::accept_loop() {
  while (acceptor_.is_open()) {
    boost::system::error_code error;
    Socket socket = co_await acceptor_.async_accept(asio::redirect_error(use_task, error));
    if (error == asio::error::operation_aborted) co_return;
    if (error) {
      complain("cannot accept connections: " + error.message());
      pause_.expires_after(kAcceptPause);
      co_await pause_.async_wait(asio::redirect_error(use_task, error));
      continue;
    }
    // Descriptors are given out from the lowest on: a high one says that few are left.
    if (socket.native_handle() > highest_descriptor_ && !make_room()) {
      complain("no descriptors are left for new connections");
      continue;
    }
    if (connections_.size() >= kMostWaiting) make_room();
    auto connection = std::make_shared<Connection>(std::move(socket), engine_, application_);
    connections_.insert(connection);
    if (connections_.size() == 1) arm_sweep();
    asio::co_spawn(acceptor_.get_executor(), connection->run(tls_),
                   [this, connection](std::exception_ptr) { connections_.erase(connection); });
  }
}

/// Drops the connection that has been waited for longest; false when all there are are in use.
bool HttpListener::make_room() {
  const auto first =
      std::min_element(connections_.begin(), connections_.end(),
                       [](const auto& a, const auto& b) { return a->deadline() < b->deadline(); });
  if (first == connections_.end() || (*first)->deadline() == Instant::max()) return false;
  complain("too many connections (" + std::to_string(connections_.size()) +
           "): those that were silent for longest are dropped; shards that are connected are not touched");
  (*first)->drop();
  return true;
}

/// Said once, until it has been well for a while.
void HttpListener::complain(const std::string& what) {
  if (!std::exchange(complained_, true)) spdlog::error("{}", what);
  trouble_ = std::chrono::steady_clock::now();
}

void HttpListener::arm_sweep() {
  sweep_.expires_after(kSweep);
  sweep_.async_wait([this](boost::system::error_code error) {
    if (error) return;
    const auto now = std::chrono::steady_clock::now();
    for (const auto& connection : connections_) {
      if (connection->deadline() <= now) connection->drop();
    }
    if (complained_ && now - trouble_ > kQuiet) {
      complained_ = false;
      spdlog::info("connections are accepted without trouble again");
    }
    if (!connections_.empty() || complained_) arm_sweep();
  });
}

void HttpListener::stop() {
  boost::system::error_code ignored;
  acceptor_.close(ignored);
  pause_.cancel();
  sweep_.cancel();
  for (const auto& connection : connections_) connection->drop();
}

}  // namespace smaster::net
