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
#include "net/asio.hpp"
#include "net/pieces.hpp"
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
/// connection writes. What a reader has not taken is bounded: who can wait does so for `room`, who cannot is
/// told that there is none.
class LineStream {
 public:
  static constexpr std::size_t kRoom = 64 << 20;        ///< bytes that wait for the reader
  static constexpr std::size_t kReserve = 8 << 20;      ///< more of them, for `push`
  static constexpr std::size_t kRoomOfAll = 4 * kRoom;  ///< of all streams together
  static constexpr std::size_t kOwnRoom = 1 << 20;      ///< of which each has this much in any case

  explicit LineStream(const net::Executor& executor, const char* type_ = "application/x-ndjson");
  ~LineStream() { waiting_in_all_ -= bytes_; }
  LineStream(const LineStream&) = delete;
  LineStream& operator=(const LineStream&) = delete;

  /// Queues a line, without its newline; false, and nothing is queued, when there is no room for it.
  [[nodiscard]] bool offer(std::string line);
  /// Queues a line of which there are not many more than shards. A reader that leaves even the reserve
  /// unread is cut off: it goes away, without the end of the answer.
  void push(std::string line);
  /// Waits until there is room; false when the reader has gone.
  net::Task<bool> room();
  void finish();
  /// Called once when the reader goes away before the end.
  std::function<void()> on_gone;
  /// Bytes that the reader has not taken yet.
  [[nodiscard]] std::size_t waiting() const { return bytes_; }
  /// Whether nobody reads it any more.
  [[nodiscard]] bool gone() const { return gone_; }
  const char* const type;

 private:
  template <class Socket>
  friend class Connection;

  void add(std::string line);
  /// The next lines, with their newlines, at most some 64 KiB unless one is longer.
  [[nodiscard]] std::string take();
  void leave();
  [[nodiscard]] bool has_room(std::size_t bytes) const;

  inline static std::size_t waiting_in_all_ = 0;
  net::Timer wake_;   ///< the connection waits for lines
  net::Timer space_;  ///< handlers wait for room
  std::deque<std::string> lines_;
  std::size_t bytes_ = 0;
  bool finished_ = false;
  bool gone_ = false;
  std::function<void()> drop_;  ///< closes the connection; set while there is one
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
