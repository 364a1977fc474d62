// A control request's parts: what was asked, and what is answered, at once or line by line.
#pragma once

#include <boost/beast/http/message.hpp>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.hpp"
#include "net/application.hpp"
#include "net/asio.hpp"
#include "net/stream.hpp"

namespace smaster::control {

using net::Pieces;

struct Call {
  std::string method;
  std::string path;  ///< without the query
  std::multimap<std::string, std::string> query;
  std::string body;
  Pieces next_piece;  ///< of a PUT, whose body is not in `body`
  boost::beast::http::fields headers{};
};

/// What a request's line asks for; its body is not looked at.
[[nodiscard]] Call to_call(const boost::beast::http::request_header<>& request);

/// An answer of bytes, piece by piece.
struct Bytes {
  Pieces next_piece;
  const char* type = "application/octet-stream";
};

/// An answer in one piece.
struct Reply {
  unsigned status = 200;
  std::string body;
  std::string type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers{};
};

/// An answer that comes line by line (NDJSON, or what `type` says). The handler keeps it and pushes; the
/// connection writes.
class LineStream {
 public:
  explicit LineStream(const net::Executor& executor, const char* type_ = "application/x-ndjson")
      : type(type_), wake_(executor) {}
  /// Queues a line, without its newline.
  void push(std::string line) {
    if (gone_) return;
    lines_.push_back(std::move(line));
    wake_.cancel();
  }
  void finish() {
    finished_ = true;
    wake_.cancel();
  }
  /// Called once when the reader goes away before the end.
  std::function<void()> on_gone;
  /// Lines that the reader has not taken yet.
  [[nodiscard]] std::size_t waiting() const { return lines_.size(); }
  /// Whether nobody reads it any more.
  [[nodiscard]] bool gone() const { return gone_; }
  const char* const type;

 private:
  template <class Socket>
  friend class Connection;
  net::Timer wake_;
  std::deque<std::string> lines_;
  bool finished_ = false;
  bool gone_ = false;
};

/// Where a request for this path is to be answered instead: a connection to there, or none where it is here.
using Elsewhere = std::function<net::Task<Result<std::unique_ptr<net::Stream>>>(const std::string& path)>;

using Answer = std::variant<Reply, std::shared_ptr<LineStream>, Bytes>;
using Handler = std::function<net::Task<Answer>(Call)>;

/// The words for kinds of errors in `{"error":"…","kind":"…"}`, and their HTTP statuses.
[[nodiscard]] std::string_view to_word(ErrorKind kind);
[[nodiscard]] ErrorKind from_word(std::string_view word);
[[nodiscard]] Reply error_reply(const Error& error);

}  // namespace smaster::control
