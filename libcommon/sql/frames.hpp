// What the server and its SQL worker processes send each other: frames of a length and that many bytes. The
// worker is not trusted by the server, which checks all that it decodes. Bytes only; no sockets here.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "sql/sql.hpp"

namespace smaster::sql {

/// What a worker is started for, its first frame.
struct Order {
  std::string url;
  Access access = Access::none;
  Limits limits;
  std::int64_t parent = 0;  ///< the process id of the server
  std::string end;          ///< only end this connection of the database; empty: run statements
};

/// The worker is connected and contained.
struct Ready {
  std::string connection;  ///< for Order::end; empty: there is nothing to end at the database
  std::string missing;     ///< what the kernel lacks to contain the worker; empty: nothing
};

/// The connection was found closed before the statement was sent; another worker may run it.
struct Stale {};

/// What became of a statement, or of connecting.
struct Answer {
  Result<Outcome> outcome;
  bool last = false;  ///< the worker ends with it
};

using Message = std::variant<Ready, Stale, Answer>;

inline constexpr std::size_t kFrameHeader = 4;
/// Larger frames are an error, in either direction.
inline constexpr std::size_t kMaxFrame = 2 * kMaxResult;

/// With its header. A statement is a frame of its text alone.
[[nodiscard]] std::string frame(std::string_view payload);
/// The payload's length; none when it is beyond kMaxFrame. `header` has kFrameHeader bytes.
[[nodiscard]] std::optional<std::size_t> frame_length(std::string_view header);

[[nodiscard]] std::string encode(const Order& order);
[[nodiscard]] Result<Order> decode_order(std::string_view payload);

/// A result beyond kMaxFrame becomes an error.
[[nodiscard]] std::string encode(const Message& message);
/// bad_data unless the payload is a message whose JSON is JSON, with its blobs where it says.
[[nodiscard]] Result<Message> decode_message(std::string_view payload);

}  // namespace smaster::sql
