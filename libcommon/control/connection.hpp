// One client that speaks HTTP/1.1 with a server of ours: requests in, answers out, whole or as they come.
#pragma once

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <memory>
#include <optional>
#include <utility>

#include "base/types.hpp"
#include "control/stream.hpp"

namespace smaster::control {

namespace asio = net::asio;
namespace http = boost::beast::http;

/// How much a client may send, and how long it may take for it; without patience as long as it likes.
struct ConnectionLimits {
  std::uint64_t max_body;  ///< bytes
  bool pieces;             ///< a PUT may be of any size, and is handed on as it comes
  /// From one answer to the end of the next request, and to take what is written of an answer at once.
  std::optional<Millis> patience;
};

/// One HTTP/1.1 client on a stream socket: its requests go to the handler, one after the other, the answers
/// back.
template <class Socket>
class Connection : public std::enable_shared_from_this<Connection<Socket>> {
  using Header = http::request_parser<http::empty_body>;

 public:
  /// `elsewhere`: for requests that another server answers; empty: there are none.
  Connection(Socket socket, const Handler& handler, const ConnectionLimits& limits, Elsewhere elsewhere = {})
      : socket_(std::move(socket)),
        handler_(handler),
        limits_(limits),
        elsewhere_(std::move(elsewhere)),
        patience_(socket_.get_executor()) {}

  /// Until the client leaves; with a refusal that is all that it gets.
  net::Task<> run(std::optional<Reply> refusal = std::nullopt) {
    if (refusal) {
      co_await refuse(std::move(*refusal));
      co_return;
    }
    bool keep = true;
    while (keep) {
      boost::system::error_code error;
      http::request_parser<http::empty_body> header;
      header.body_limit(boost::none);
      hurry();
      co_await http::async_read_header(socket_, buffer_, header, asio::redirect_error(net::use_task, error));
      if (error) co_return;
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

  void drop() {
    boost::system::error_code ignored;
    socket_.close(ignored);
  }

 private:
  net::Task<bool> serve_whole(Header& header) {
    boost::system::error_code error;
    http::request_parser<http::string_body> parser(std::move(header));
    parser.body_limit(limits_.max_body);
    co_await http::async_read(socket_, buffer_, parser, asio::redirect_error(net::use_task, error));
    patience_.cancel();
    if (error) co_return false;
    auto call = to_call(parser.get());
    call.body = std::move(parser.get().body());
    co_return co_await serve(std::move(call), parser.get().version(), parser.get().keep_alive());
  }

  /// A body that may be larger than memory is read as the handler asks for it.
  net::Task<bool> serve_pieces(Header& header) {
    patience_.cancel();  // pieces come as they are asked for
    http::request_parser<http::buffer_body> parser(std::move(header));
    parser.body_limit(boost::none);
    auto call = to_call(parser.get());
    call.next_piece = [this, &parser] { return read_piece(parser); };
    const bool keep = co_await serve(std::move(call), parser.get().version(), parser.get().keep_alive());
    // What the handler did not want is taken off the socket: the client must come to read the answer.
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
      co_await http::async_read(socket_, buffer_, parser, asio::redirect_error(net::use_task, error));
      if (error && error != http::error::need_buffer) {
        co_return fail(ErrorKind::unavailable, "the client went away: " + error.message());
      }
      piece.resize(piece.size() - parser.get().body().size);
    }
    co_return piece;
  }

  net::Task<bool> serve(Call call, unsigned version, bool keep) {
    auto answer = co_await handler_(std::move(call));
    if (auto* const whole = std::get_if<Reply>(&answer)) {
      co_return co_await reply(std::move(*whole), version, keep);
    }
    if (auto* const bytes = std::get_if<Bytes>(&answer)) co_return co_await stream(*bytes) && keep;
    co_return co_await stream(*std::get<std::shared_ptr<LineStream>>(answer)) && keep;
  }

  net::Task<> refuse(Reply refusal) {
    co_await reply(std::move(refusal), 11, false);
    // The request is taken off the socket unread: closed over it, the connection would be reset and the
    // answer lost.
    boost::system::error_code error;
    socket_.shutdown(Socket::shutdown_send, error);
    constexpr std::size_t kMaxDrained = 65'536;
    co_await net::drain(socket_, kMaxDrained);
  }

  /// The request goes on to there as it comes, the answer back; no other follows on this connection.
  net::Task<> relay(http::request<http::empty_body>& header, std::unique_ptr<net::Stream> other) {
    patience_.cancel();
    boost::system::error_code error;
    header.keep_alive(false);
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
    asio::co_spawn(socket_.get_executor(), forward(self, there), [](std::exception_ptr) {});
    co_await copy(*there, socket_);
    drop();
    there->close(error);
  }

  static net::Task<> forward(std::shared_ptr<Connection> self, std::shared_ptr<net::Stream> there) {
    co_await copy(self->socket_, *there);
    boost::system::error_code ignored;
    there->shutdown(net::Stream::shutdown_send, ignored);  // the answer may be on its way still
  }

  /// Until the one's end, or the other takes no more.
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

  /// Writes what the client must take in time.
  template <class Buffers>
  net::Task<boost::system::error_code> send(const Buffers& buffers) {
    boost::system::error_code error;
    hurry();
    co_await asio::async_write(socket_, buffers, asio::redirect_error(net::use_task, error));
    patience_.cancel();
    co_return error;
  }

  /// What follows must be done in time.
  void hurry() {
    if (!limits_.patience) return;
    patience_.expires_after(*limits_.patience);
    patience_.async_wait([self = this->shared_from_this()](boost::system::error_code error) {
      if (!error) self->drop();
    });
  }

  net::Task<bool> reply(Reply reply, unsigned version, bool keep) {
    http::response<http::string_body> response(static_cast<http::status>(reply.status), version);
    response.set(http::field::content_type, reply.type);
    for (const auto& [name, value] : reply.headers) response.set(name, value);
    response.keep_alive(keep);
    response.body() = std::move(reply.body);
    response.prepare_payload();
    boost::system::error_code error;
    hurry();
    co_await http::async_write(socket_, response, asio::redirect_error(net::use_task, error));
    patience_.cancel();
    co_return !error && keep;
  }

  using Headers = std::vector<std::pair<std::string, std::string>>;
  net::Task<boost::system::error_code> begin_chunks(const char* type, const Headers& headers) {
    boost::system::error_code error;
    http::response<http::empty_body> header(http::status::ok, 11);
    header.set(http::field::content_type, type);
    for (const auto& [name, value] : headers) header.set(name, value);
    header.chunked(true);
    http::response_serializer<http::empty_body> serializer(header);
    co_await http::async_write_header(socket_, serializer, asio::redirect_error(net::use_task, error));
    co_return error;
  }

  /// Without its last chunk the client knows that it has not got all.
  net::Task<bool> stream(const Bytes& bytes) {
    auto error = co_await begin_chunks(bytes.type, bytes.headers);
    while (!error) {
      const auto piece = co_await bytes.next_piece();
      if (!piece) co_return false;
      if (piece->empty()) break;
      const auto chunk = http::make_chunk(asio::buffer(*piece));
      error = co_await send(chunk);
    }
    const auto last = http::make_chunk_last();
    if (!error) error = co_await send(last);
    co_return !error;
  }

  net::Task<bool> stream(LineStream& lines) {
    auto error = co_await begin_chunks(lines.type, lines.headers);

    // A client that waits for lines says nothing: if its socket becomes readable it has gone, or broken the
    // rules.
    lines.drop_ = [this] { drop(); };
    bool watching = true;
    socket_.async_wait(Socket::wait_read, [&](boost::system::error_code waited) {
      watching = false;
      if (!waited) lines.leave();
    });
    while (!error && !lines.gone_) {
      if (lines.lines_.empty()) {
        if (lines.finished_) break;
        boost::system::error_code woken;
        co_await lines.wake_.async_wait(asio::redirect_error(net::use_task, woken));
        continue;
      }
      const auto some = lines.take();
      const auto chunk = http::make_chunk(asio::buffer(some));
      error = co_await send(chunk);
    }
    const bool whole = !error && !lines.gone_;
    if (whole) {
      const auto last = http::make_chunk_last();
      co_await send(last);
    } else {
      lines.leave();
      if (lines.on_gone) lines.on_gone();
    }
    boost::system::error_code ignored;
    socket_.cancel(ignored);
    while (watching) co_await asio::post(socket_.get_executor(), net::use_task);
    lines.on_gone = nullptr;
    lines.drop_ = nullptr;
    co_return whole;
  }

  Socket socket_;
  boost::beast::flat_buffer buffer_;
  const Handler& handler_;
  const ConnectionLimits limits_;
  const Elsewhere elsewhere_;
  net::Timer patience_;
};

}  // namespace smaster::control
