// Messages between the server and its SQL worker processes, in frames of a length and a payload. The server
// does not trust the worker and validates all that it decodes. Bytes only; no sockets here.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "sql/sql.hpp"

namespace smaster::sql {

/// A worker's task, in its first frame.
struct Order {
  std::string url;
  Access access = Access::none;
  Limits limits;
  std::int64_t parent = 0;  ///< process id of the server
  std::string end;          ///< terminate this database connection, then exit; empty: run statements
};

/// The worker is connected and sandboxed.
struct Ready {
  std::string connection;  ///< for Order::end; empty: the database has no connection to terminate
  std::string missing;     ///< sandbox features that the kernel lacks; empty: none
};

/// The connection was already closed when the statement arrived. It was not run; another worker may run it.
struct Stale {};

/// The statement writes, and this worker only reads. It was not run.
struct Writes {};

/// The result of a statement, or a failure to connect.
struct Answer {
  Result<Outcome> outcome;
  bool last = false;  ///< the worker exits after this
};

using Message = std::variant<Ready, Stale, Writes, Answer>;

inline constexpr std::size_t kFrameHeader = 4;
/// Maximum payload in either direction, in bytes.
inline constexpr std::size_t kMaxFrame = 2 * kMaxResult;

/// Adds the header. A statement's frame has the text as its payload.
[[nodiscard]] std::string frame(std::string_view payload);
/// The payload's length; nullopt if it exceeds kMaxFrame. `header` must have kFrameHeader bytes.
[[nodiscard]] std::optional<std::size_t> frame_length(std::string_view header);

[[nodiscard]] std::string encode(const Order& order);
[[nodiscard]] Result<Order> decode_order(std::string_view payload);

/// A result that exceeds kMaxFrame is replaced by an error.
[[nodiscard]] std::string encode(const Message& message);
/// Errors: bad_data unless the payload is a message with valid JSON and its blobs' placeholders at the given
/// places.
[[nodiscard]] Result<Message> decode_message(std::string_view payload);

}  // namespace smaster::sql
