// Control requests and their responses, complete or streamed.
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
#include "net/event.hpp"
#include "net/pieces.hpp"
#include "net/stream.hpp"

namespace smaster::control {

using net::Pieces;

struct Call {
  std::string method;
  std::string path;  ///< without the query
  std::multimap<std::string, std::string> query;
  std::string body;
  Pieces next_piece;  ///< for PUT: the body in pieces; `body` is then empty
  boost::beast::http::fields headers{};
  std::string by{};  ///< who asks: "root", "root at 10.0.0.2"
};

/// Parses the request line; ignores the body.
[[nodiscard]] Call to_call(const boost::beast::http::request_header<>& request);

/// A binary response, in pieces.
struct Bytes {
  Pieces next_piece;
  const char* type = "application/octet-stream";
};

/// A complete response.
struct Reply {
  unsigned status = 200;
  std::string body;
  std::string type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers{};
};

/// A response in lines (NDJSON, or as `type` says). The handler keeps it and adds lines; the connection
/// writes them. The queue is bounded: a handler that can wait uses `room`, others get false from `offer`. Use
/// on the context's thread only.
class LineStream {
 public:
  static constexpr std::size_t kRoom = 64 << 20;        ///< queue limit per stream, in bytes
  static constexpr std::size_t kReserve = 8 << 20;      ///< additional limit for `push`
  static constexpr std::size_t kRoomOfAll = 4 * kRoom;  ///< queue limit of all streams together
  static constexpr std::size_t kOwnRoom = 1 << 20;      ///< guaranteed to each stream in spite of kRoomOfAll

  explicit LineStream(const net::Executor& executor, const char* type_ = "application/x-ndjson");
  ~LineStream() { waiting_in_all_ -= bytes_; }
  LineStream(const LineStream&) = delete;
  LineStream& operator=(const LineStream&) = delete;

  /// Queues a line, without its newline. Returns false, with no effect, if the queue is full.
  [[nodiscard]] bool offer(std::string line);
  /// Queues a line of a kind that is bounded by the number of shards. If even the reserve is full,
  /// disconnects the reader without finishing the response.
  void push(std::string line);
  /// Waits until less than kOwnRoom is queued; false if the reader has disconnected.
  net::Task<bool> room();
  void finish();
  /// Disconnects the reader without finishing the response, as if it had disconnected.
  void cut_off();
  /// Called once if the reader disconnects before the end.
  std::function<void()> on_gone;
  /// Queued bytes.
  [[nodiscard]] std::size_t waiting() const { return bytes_; }
  /// True if the reader has disconnected.
  [[nodiscard]] bool gone() const { return gone_; }
  const char* const type;

 private:
  template <class Socket>
  friend class Connection;

  void add(std::string line);
  /// Removes the next lines from the queue, with newlines, or a part of a long one: at most 64 KiB.
  [[nodiscard]] std::string take();
  void leave();
  [[nodiscard]] bool has_room(std::size_t bytes) const;

  inline static std::size_t waiting_in_all_ = 0;
  net::Event wake_;   ///< for the connection: there are lines
  net::Event space_;  ///< for handlers: there is room
  std::deque<std::string> lines_;
  std::size_t taken_ = 0;  ///< bytes of the first line that were removed already
  std::size_t bytes_ = 0;
  bool finished_ = false;
  bool gone_ = false;
  std::function<void()> drop_;  ///< closes the connection; unset if there is none
};

/// Returns a connection to the server that must answer this path; null: answer it here.
using Elsewhere = std::function<net::Task<Result<std::unique_ptr<net::Stream>>>(const std::string& path)>;

using Answer = std::variant<Reply, std::shared_ptr<LineStream>, Bytes>;
using Handler = std::function<net::Task<Answer>(Call)>;

/// Conversions of errors: the `kind` in `{"error":"…","kind":"…"}`, and the response with its HTTP status.
[[nodiscard]] std::string_view to_word(ErrorKind kind);
[[nodiscard]] ErrorKind from_word(std::string_view word);
[[nodiscard]] Reply error_reply(const Error& error);

}  // namespace smaster::control
