// One HTTP/1.1 client of a server of ours. Responses may be streamed.
#pragma once

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "base/types.hpp"
#include "control/stream.hpp"
#include "net/crowd.hpp"
#include "net/descriptors.hpp"
#include "net/http_rules.hpp"
#include "net/readable.hpp"
#include "net/task_scope.hpp"

namespace smaster::control {

namespace asio = net::asio;
namespace http = boost::beast::http;

/// Limits of a client: how much it may send, and how long it may take to send a request or receive a piece of
/// a response. Without `patience` there is no timeout, but it may be dropped to make room for others.
struct ConnectionLimits {
  std::uint64_t max_body;          ///< bytes
  bool pieces;                     ///< PUT bodies are unlimited, and passed to the handler in pieces
  std::optional<Millis> patience;  ///< time for the next request to arrive; also for each write
  /// Headers added to every response.
  std::span<const std::pair<const char*, const char*>> headers{};
};

/// A server that relays a request of one of its users names that user in this header.
inline constexpr const char* kByHeader = "X-Smaster-By";

/// Who asks on a connection.
struct Asker {
  std::string who{};       ///< a user of this machine, or the address of another server
  bool is_server = false;  ///< another server of ours, with its own users

  [[nodiscard]] std::string name(const http::fields& headers) const {
    return is_server ? std::string(headers[kByHeader]) + " at " + who : who;
  }
};

/// One HTTP/1.1 client on a stream socket: passes its requests to the handler, one at a time, and writes the
/// responses.
template <class Socket>
class Connection final : public net::Crowd::Member, public std::enable_shared_from_this<Connection<Socket>> {
  using Rank = net::Crowd::Rank;
  using Header = http::request_parser<http::empty_body>;

 public:
  /// `crowd`, `whose`: where, and by which address, the connection is counted while it waits for its client.
  /// `by`: who asks. `elsewhere`: finds the server for requests that another one answers; empty: all are
  /// answered here.
  Connection(Socket socket, net::Place place, net::Crowd& crowd, std::string whose, const Handler& handler,
             const ConnectionLimits& limits, Elsewhere elsewhere = {}, Asker by = {})
      : Member(crowd, std::move(whose)),
        socket_(std::move(socket)),
        place_(std::move(place)),
        handler_(handler),
        limits_(limits),
        elsewhere_(std::move(elsewhere)),
        by_(std::move(by)),
        patience_(socket_.get_executor()) {}

  /// Serves the client until it disconnects; with `refusal`, only sends that.
  net::Task<> run(std::optional<Reply> refusal = std::nullopt) {
    if (refusal) {
      co_await refuse(std::move(*refusal));
      co_return;
    }
    bool keep = true;
    while (keep) {
      http::request_parser<http::empty_body> header;
      header.body_limit(boost::none);
      wait_for_client();
      const auto error = co_await net::read_request_header(socket_, buffer_, header);
      only_head_ = header.get().method() == http::verb::head;
      if (error) {
        co_await refuse(error);
        co_return;
      }
      wait_for_client();
      if (elsewhere_) {
        const auto call = to_call(header.get());
        auto other = co_await elsewhere_(call.path);
        if (!other) {
          co_await refuse(error_reply(other.error()));
          co_return;
        }
        if (*other) {
          co_await relay(header.get(), std::move(*other));
          co_return;
        }
      }
      keep = limits_.pieces && header.get().method() == http::verb::put ? co_await serve_pieces(header)
                                                                        : co_await serve_whole(header);
    }
  }

  void drop() override {
    dropped_ = true;
    is_served();
    boost::system::error_code ignored;
    socket_.close(ignored);
    place_.release();
  }

 private:
  net::Task<bool> serve_whole(Header& header) {
    http::request_parser<http::string_body> parser(std::move(header));
    parser.body_limit(limits_.max_body);
    const auto error = co_await net::read_request_body(socket_, buffer_, parser);
    if (error) {
      co_await refuse(error);
      co_return false;
    }
    is_served();
    auto call = to_call(parser.get());
    call.body = std::move(parser.get().body());
    co_return co_await serve(std::move(call), parser.get().version(), parser.get().keep_alive());
  }

  /// Serves a request whose body may exceed memory: reads it as the handler asks for it.
  net::Task<bool> serve_pieces(Header& header) {
    is_served();  // counted as being served: the handler determines the pace
    http::request_parser<http::buffer_body> parser(std::move(header));
    parser.body_limit(boost::none);
    auto call = to_call(parser.get());
    call.next_piece = [this, &parser] { return read_piece(parser); };
    const bool keep = co_await serve(std::move(call), parser.get().version(), parser.get().keep_alive());
    // Discards the rest of the body: the client reads the response only when it has sent all.
    while (!parser.is_done()) {
      if (!co_await read_piece(parser)) co_return false;
    }
    co_return keep;
  }

  net::Task<Result<std::string>> read_piece(http::request_parser<http::buffer_body>& parser) {
    constexpr std::size_t kPiece = 262'144;
    std::string piece;
    while (piece.empty() && !parser.is_done()) {
      piece.resize(kPiece);
      auto& body = parser.get().body();
      body.data = piece.data();
      body.size = piece.size();
      boost::system::error_code error;
      wait_for_client();
      co_await http::async_read(socket_, buffer_, parser, asio::redirect_error(net::use_task, error));
      is_served();
      if (error && error != http::error::need_buffer) {
        co_return fail(ErrorKind::unavailable, "the client went away: " + error.message());
      }
      piece.resize(piece.size() - parser.get().body().size);
    }
    co_return piece;
  }

  net::Task<bool> serve(Call call, unsigned version, bool keep) {
    call.by = by_.name(call.headers);
    auto answer = co_await handler_(std::move(call));
    if (auto* const whole = std::get_if<Reply>(&answer)) {
      co_return co_await reply(std::move(*whole), version, keep);
    }
    if (auto* const bytes = std::get_if<Bytes>(&answer)) co_return co_await stream(*bytes) && keep;
    co_return co_await stream(*std::get<std::shared_ptr<LineStream>>(answer)) && keep;
  }

  /// Answers a request that could not be read, unless the client is gone.
  net::Task<> refuse(boost::system::error_code error) {
    const auto status = net::refusal_status(error);
    if (!status) co_return;
    auto refusal = error_reply(fail(ErrorKind::bad_data, "malformed HTTP request: " + error.message()));
    refusal.status = static_cast<unsigned>(*status);
    co_await refuse(std::move(refusal));
  }

  net::Task<> refuse(Reply refusal) {
    co_await reply(std::move(refusal), 11, false);
    // Discard the request: closing with unread data would reset the connection and lose the response.
    boost::system::error_code error;
    socket_.shutdown(Socket::shutdown_send, error);
    constexpr std::size_t kMaxDrained = 65'536;
    wait_for_client();
    co_await net::drain(socket_, kMaxDrained);
  }

  /// Forwards the request to another server, and its response back. The connection is closed afterwards.
  net::Task<> relay(http::request<http::empty_body>& header, std::unique_ptr<net::Stream> other) {
    is_served();
    boost::system::error_code error;
    header.keep_alive(false);
    header.set(kByHeader, by_.who);
    http::request_serializer<http::empty_body> serializer(header);
    co_await http::async_write_header(*other, serializer, asio::redirect_error(net::use_task, error));
    if (!error)
      co_await asio::async_write(*other, buffer_.data(), asio::redirect_error(net::use_task, error));
    if (error) {
      co_await refuse(error_reply(fail(ErrorKind::unavailable, "the leader went away: " + error.message())));
      co_return;
    }
    const auto self = this->shared_from_this();
    const std::shared_ptr<net::Stream> there = std::move(other);
    net::TaskScope forwarding(socket_.get_executor(), "control relay");
    forwarding.spawn("forward a request", forward(self, there));
    co_await copy(*there, socket_);
    drop();
    there->close(error);
  }

  static net::Task<> forward(std::shared_ptr<Connection> self, std::shared_ptr<net::Stream> there) {
    co_await copy(self->socket_, *there);
    boost::system::error_code ignored;
    there->shutdown(net::Stream::shutdown_send, ignored);  // the response may still be on its way
  }

  /// Copies until `from` ends or `to` fails.
  template <class From, class To>
  static net::Task<> copy(From& from, To& to) {
    char piece[16'384];
    boost::system::error_code error;
    while (!error) {
      const auto size =
          co_await from.async_read_some(asio::buffer(piece), asio::redirect_error(net::use_task, error));
      if (error) break;
      co_await asio::async_write(to, asio::buffer(piece, size), asio::redirect_error(net::use_task, error));
    }
  }

  /// Waits for the client to send a request, or to receive a response.
  void wait_for_client() {
    if (dropped_) return;
    waits(Rank::silent);
    if (!limits_.patience) return;
    patience_.expires_after(*limits_.patience);
    patience_.async_wait([self = this->shared_from_this()](boost::system::error_code error) {
      if (!error) self->drop();
    });
  }

  void is_served() {
    busy();
    patience_.cancel();
  }

  /// Writes the buffers in order, each within the client's patience.
  template <class Buffers>
  net::Task<boost::system::error_code> write(Buffers buffers) {
    boost::system::error_code error;
    wait_for_client();
    co_await asio::async_write(socket_, buffers, asio::redirect_error(net::use_task, error));
    is_served();
    co_return error;
  }

  net::Task<bool> reply(Reply reply, unsigned version, bool keep) {
    http::response<http::string_body> response(static_cast<http::status>(reply.status), version);
    response.set(http::field::content_type, reply.type);
    for (const auto& [name, value] : limits_.headers) response.set(name, value);
    for (const auto& [name, value] : reply.headers) response.set(name, value);
    response.keep_alive(keep);
    response.body() = std::move(reply.body);
    response.prepare_payload();
    wait_for_client();
    const auto error = co_await net::write_response(socket_, response, only_head_);
    is_served();
    co_return !error && keep;
  }

  net::Task<boost::system::error_code> begin_chunks(const char* type) {
    boost::system::error_code error;
    http::response<http::empty_body> header(http::status::ok, 11);
    header.set(http::field::content_type, type);
    for (const auto& [name, value] : limits_.headers) header.set(name, value);
    header.chunked(true);
    http::response_serializer<http::empty_body> serializer(header);
    wait_for_client();
    co_await http::async_write_header(socket_, serializer, asio::redirect_error(net::use_task, error));
    is_served();
    co_return error;
  }

  /// After an error the last chunk is missing, so that the client can detect the truncation.
  net::Task<bool> stream(const Bytes& bytes) {
    auto error = co_await begin_chunks(bytes.type);
    while (!error) {
      const auto piece = co_await bytes.next_piece();
      if (!piece) co_return false;
      if (piece->empty()) break;
      error = co_await write(http::make_chunk(asio::buffer(*piece)));
    }
    if (!error) error = co_await write(http::make_chunk_last());
    co_return !error;
  }

  net::Task<bool> stream(LineStream& lines) {
    auto error = co_await begin_chunks(lines.type);

    // A client that waits for lines sends nothing: a readable socket means that it has disconnected or broken
    // the protocol.
    lines.drop_ = [this] { drop(); };
    net::ReadableWait hang_up(socket_);
    hang_up.start([&lines] { lines.leave(); });
    while (!error && !lines.gone_) {
      if (lines.lines_.empty()) {
        if (lines.finished_) break;
        if (!dropped_) waits(Rank::reader);
        co_await lines.wake_.wait();
        busy();
        continue;
      }
      const auto some = lines.take();
      error = co_await write(http::make_chunk(asio::buffer(some)));
    }
    const bool whole = !error && !lines.gone_;
    if (whole) {
      error = co_await write(http::make_chunk_last());
    } else {
      lines.leave();
      if (lines.on_gone) lines.on_gone();
    }
    hang_up.stop();
    lines.on_gone = nullptr;
    lines.drop_ = nullptr;
    co_return whole;
  }

  Socket socket_;
  net::Place place_;
  bool only_head_ = false;  ///< the present request is HEAD
  bool dropped_ = false;
  boost::beast::flat_buffer buffer_ = net::request_buffer();
  const Handler& handler_;
  const ConnectionLimits limits_;
  const Elsewhere elsewhere_;
  const Asker by_;
  net::Timer patience_;
};

}  // namespace smaster::control
