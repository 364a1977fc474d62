#include "net/engineio/http_listener.hpp"

#include <fcntl.h>
#include <poll.h>

#include <boost/asio/ip/address.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <utility>

#include "net/accept.hpp"
#include "net/address.hpp"
#include "net/clock.hpp"
#include "net/engineio/payload_pieces.hpp"
#include "net/http_rules.hpp"
#include "net/readable.hpp"
#include "net/stream.hpp"

namespace smaster::net {
namespace {

namespace beast = boost::beast;
namespace http = beast::http;

/// From the connection to the end of the first request's headers.
constexpr std::chrono::seconds kFirstTimeout{15};
constexpr std::chrono::seconds kIdleTimeout{75};     ///< between the requests of a kept-alive connection
constexpr std::chrono::seconds kRequestTimeout{30};  ///< to send a request's body, or to receive an answer
/// To receive an answer in pieces, each within kRequestTimeout.
constexpr std::chrono::seconds kPiecesTimeout{120};
constexpr std::chrono::seconds kRefusedTimeout{1};  ///< to receive the answer to a request rejected unread
constexpr std::size_t kMaxStrayBody = 4096;         ///< bytes of a body that is ignored
constexpr std::size_t kMaxDrained = 256 * 1024;  ///< bytes of a rejected request that are read and discarded
constexpr std::chrono::seconds kSweep{1};        ///< period of the check for timeouts
constexpr std::size_t kWhole = 64 * 1024;        ///< larger answers are sent in pieces, bytes

}  // namespace

/// One accepted connection, until it closes or becomes a websocket.
class HttpListener::Connection final : public Crowd::Member {
 public:
  Connection(Stream stream, asio::ip::address peer, HttpListener& listener)
      : Member(listener.crowd_, limit_key(peer)),
        stream_(std::move(stream)),
        peer_(std::move(peer)),
        engine_(listener.engine_),
        application_(listener.application_),
        descriptors_(listener.descriptors_),
        crowd_(listener.crowd_) {
    waits_for_peer(kFirstTimeout);
  }

  Task<> run(std::shared_ptr<asio::ssl::context> tls) {
    boost::system::error_code error;
    stream_->socket().set_option(tcp::no_delay(true), error);
    if (tls) {
      if (error = co_await stream_->accept_tls(*tls); error) co_return;
    }
    while (co_await serve_one()) waits_for_peer(kIdleTimeout);
    if (stream_) stream_->socket().shutdown(Socket::shutdown_send, error);
  }

  void drop() override {
    dropped_ = true;
    if (stream_) beast_close_socket(*stream_);
    is_served();
  }
  /// When the peer's time is over. Instant::max() while the peer waits for us.
  [[nodiscard]] Instant deadline() const { return deadline_; }

 private:
  /// Reads and answers one request; false if the connection must be closed.
  Task<bool> serve_one() {
    http::request_parser<http::string_body> parser;
    parser.body_limit(engine_.options().engine.max_payload);
    auto error = co_await read_request_header(*stream_, buffer_, parser);
    only_head_ = parser.get().method() == http::verb::head;
    std::optional<EngineSession::Posting> posting;
    if (!error) {
      const auto session = engine_.session_of(parser.get());
      if (session && !std::exchange(known_, true)) crowd_.vouch(address());
      if (session && !parser.is_done()) posting = session->begin_post();
    }
    waits_for_peer(kRequestTimeout);
    if (!error && !parser.is_done()) {
      const auto most = posting ? engine_.options().engine.max_payload : kMaxStrayBody;
      parser.body_limit(most);
      if (parser.content_length().value_or(0) > most) error = http::error::body_limit;
    }
    if (!error) error = co_await invite_body(*stream_, parser);
    if (!error) error = co_await read_request_body(*stream_, buffer_, parser);
    posting.reset();
    // A client must not send data of the new protocol before it has the response.
    if (!error && parser.upgrade() && buffer_.size() > 0) error = http::error::unexpected_body;
    if (error) {
      co_await refuse(error);
      co_return false;
    }
    Request request = parser.release();
    is_served();
    if (!engine_.owns({request.target().data(), request.target().size()})) {
      if (application_.is_upgrade(request)) {
        co_await hand_over(request);
        co_return false;
      }
      if (only_head_) request.method(http::verb::get);
      auto answer = co_await application_.answer(request, peer_);
      if (answer.pieces) {
        co_return co_await write(std::move(answer.response), answer.pieces, net::now() + kPiecesTimeout);
      }
      co_return co_await write(std::move(answer.response));
    }
    auto outcome = co_await engine_.handle(request, peer_);
    if (auto* response = std::get_if<Response>(&outcome)) co_return co_await write(std::move(*response));
    if (!stream_->place().move_to(Share::shards)) {
      descriptors_.full(Share::shards);
      co_return co_await write(engine_.no_room(request));
    }
    crowd_.vouch(address());
    if (auto* poll = std::get_if<EngineServer::Poll>(&outcome)) {
      const bool keep = co_await answer_poll(request, *poll->session);
      stream_->place().move_anyway(Share::strangers);  // until it sends a request of a session again
      co_return keep;
    }
    co_await upgrade(request, std::get<EngineServer::Upgrade>(std::move(outcome)));
    co_return false;
  }

  /// Answers a request that could not be read, unless the peer is gone.
  Task<> refuse(boost::system::error_code error) {
    const auto status = refusal_status(error);
    if (!status) co_return;
    Response response(*status, 11);
    response.keep_alive(false);
    response.body() = std::string(http::obsolete_reason(*status)) + '\n';
    response.prepare_payload();
    co_await write(std::move(response));
    // Read on for a moment so that the answer arrives: closing with unread data would reset the connection.
    waits_for_peer(kRefusedTimeout);
    stream_->socket().shutdown(Socket::shutdown_send, error);
    co_await drain(*stream_, kMaxDrained);
  }

  Task<bool> write(Response response) {
    waits_for_peer(kRequestTimeout);
    const bool keep = response.keep_alive();
    response.set(http::field::date, http_date());
    const auto error = co_await write_response(*stream_, response, only_head_);
    co_return keep && !error;
  }

  Task<bool> answer_poll(const Request& request, EngineSession& session) {
    const auto alive = session.shared_from_this();
    WaitingPoll poll(stream_->get_executor());
    engineio::Payload payload;
    switch (session.poll(poll, payload)) {
      case engineio::Session::Answer::ok:
        break;
      case engineio::Session::Answer::refused:
        co_return co_await write(engine_.bad_request(request));
      case engineio::Session::Answer::waiting:
        if (!co_await wait(poll)) {
          session.poll_gone();
          co_return false;
        }
        payload = *std::move(poll.payload);
    }
    const bool keep = co_await write_payload(request, std::move(payload));
    // Packets that the client did not receive are lost, so the session must end.
    if (!keep && request.keep_alive())
      session.state().closed_by_transport(engineio::CloseReason::transport_error);
    co_return keep;
  }

  /// Waits for the session's packets. Ends early if the client disconnects: a waiting client sends nothing,
  /// so a readable socket means that.
  Task<bool> wait(WaitingPoll& poll) {
    ReadableWait hang_up(stream_->socket());
    hang_up.start([this, &poll] {
      if (peer_closed()) poll.wake.notify();
    });
    co_await poll.wake.wait();
    co_return poll.payload.has_value();
  }

  /// Writes a body in pieces: chunked, or for HTTP/1.0 delimited by closing the connection.
  Task<bool> write(Response head, const Pieces& pieces, Instant last = Instant::max()) {
    boost::system::error_code error;
    const bool chunked = head.version() >= 11;
    const bool keep = chunked && head.keep_alive();
    head.keep_alive(keep);
    head.chunked(chunked);
    head.set(http::field::date, http_date());
    waits_for_peer(kRequestTimeout);
    error = co_await write_response(*stream_, head, true);
    if (only_head_) co_return keep && !error;
    while (!error) {
      is_served();
      const auto piece = co_await pieces();
      if (!piece) co_return false;
      waits_for_peer(kRequestTimeout);
      deadline_ = std::min(deadline_, last);
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

  /// Large payloads, and those not in memory, are written in pieces.
  Task<bool> write_payload(const Request& request, engineio::Payload payload) {
    const auto size = engineio::payload_size(payload);
    if (size && *size <= kWhole) {
      co_return co_await write(engine_.poll_response(request, engineio::encode_payload(payload)));
    }
    engineio::PayloadEncoder encoder(std::move(payload));
    const Pieces pieces = [this, &encoder] { return next_piece(encoder, stream_->get_executor()); };
    co_return co_await write(engine_.poll_response(request, ""), pieces);
  }

  /// Detects a closed connection even if unread data, such as TLS's close_notify, comes before the end.
  [[nodiscard]] bool peer_closed() {
    pollfd peer{stream_->socket().native_handle(), POLLRDHUP, 0};
    return ::poll(&peer, 1, 0) > 0;
  }

  void waits_for_peer(std::chrono::seconds time) {
    if (dropped_) return;
    deadline_ = Clock::now() + time;
    waits(known_ || crowd_.vouched(address()) ? Crowd::Rank::known : Crowd::Rank::silent);
  }
  void is_served() {
    deadline_ = Instant::max();
    busy();
  }

  Task<> upgrade(const Request& request, EngineServer::Upgrade upgrade) {
    auto stream = co_await switch_protocol(websocket_response(request));
    if (!stream) co_return;
    const auto& limits = engine_.options().engine;
    engine_.adopt(std::move(upgrade),
                  std::make_shared<WebSocketLink>(*std::move(stream), websocket::Role::server,
                                                  limits.max_payload, limits.max_queued));
  }

  /// Answers a request for another protocol. With status 101, the connection is the new protocol's from then
  /// on; else, or if the peer is gone, nullopt.
  Task<std::optional<Stream>> switch_protocol(Response response) {
    waits_for_peer(kRequestTimeout);
    const auto error = co_await write_response(*stream_, response, false);
    if (error || response.result() != http::status::switching_protocols) co_return std::nullopt;
    is_served();
    co_return std::exchange(stream_, std::nullopt);
  }

  /// Passes the connection to the handler of the requested protocol.
  Task<> hand_over(const Request& request) {
    auto outcome = co_await application_.upgrade(request, peer_);
    if (auto* const response = std::get_if<Response>(&outcome)) {
      co_await write(std::move(*response));
      co_return;
    }
    Response response(http::status::switching_protocols, 11);
    response.set(http::field::connection, "Upgrade");
    response.set(http::field::upgrade, request[http::field::upgrade]);
    auto stream = co_await switch_protocol(std::move(response));
    if (!stream) co_return;
    auto taken = std::get<std::function<Task<>(Stream)>>(outcome)(*std::move(stream));
    co_await std::move(taken);
  }

  std::optional<Stream> stream_;  ///< unset once a websocket owns it
  const asio::ip::address peer_;
  Instant deadline_ = Instant::max();
  bool dropped_ = false;
  bool known_ = false;      ///< it has sent a request of an existing session
  bool only_head_ = false;  ///< the present request is HEAD
  beast::flat_buffer buffer_ = request_buffer();
  EngineServer& engine_;
  Application& application_;
  Descriptors& descriptors_;
  Crowd& crowd_;
};

HttpListener::HttpListener(asio::io_context& context, EngineServer& engine, Application& application,
                           Descriptors& descriptors)
    : engine_(engine),
      application_(application),
      descriptors_(descriptors),
      acceptor_(context.get_executor()),
      sweep_(context.get_executor()),
      tasks_(context.get_executor(), "listener") {
  descriptors_.drop_stranger = [this] { return crowd_.drop_one(); };
}

HttpListener::~HttpListener() {
  descriptors_.drop_stranger = nullptr;
  stop();
}

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
  accept();
  return {};
}

void HttpListener::adopt(Fd socket) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size);
  acceptor_.assign(address.ss_family == AF_INET6 ? tcp::v6() : tcp::v4(), socket.release());
  accept();
}

Fd HttpListener::share() { return Fd(::fcntl(acceptor_.native_handle(), F_DUPFD_CLOEXEC, 0)); }

tcp::endpoint HttpListener::endpoint() const {
  boost::system::error_code error;
  return acceptor_.local_endpoint(error);
}

void HttpListener::accept() {
  const auto serve = [this](Socket socket, Place place) {
    boost::system::error_code error;
    const auto remote = socket.remote_endpoint(error);
    if (error) return;
    auto connection =
        std::make_shared<Connection>(Stream(std::move(socket), std::move(place)), remote.address(), *this);
    connections_.insert(connection);
    if (connections_.size() == 1) arm_sweep();
    tasks_.spawn("connection", hold(connection), [this, connection] { connections_.erase(connection); });
  };
  const auto refuse = [](Socket&) {};  // no answer: the client has not sent a request yet
  tasks_.keep_running("accept connections", [this, serve, refuse] {
    return accept_each(acceptor_, descriptors_, Share::strangers, crowd_, serve, refuse);
  });
}

Task<> HttpListener::hold(std::shared_ptr<Connection> connection) {
  co_await connection->run(tls_);
  connections_.erase(connection);
}

void HttpListener::arm_sweep() {
  sweep_.expires_after(kSweep);
  sweep_.async_wait([this](boost::system::error_code error) {
    if (error) return;
    const auto now = Clock::now();
    for (const auto& connection : connections_) {
      if (connection->deadline() <= now) connection->drop();
    }
    if (!connections_.empty()) arm_sweep();
  });
}

void HttpListener::stop() {
  boost::system::error_code ignored;
  acceptor_.close(ignored);
  sweep_.cancel();
  for (const auto& connection : connections_) connection->drop();
}

}  // namespace smaster::net
