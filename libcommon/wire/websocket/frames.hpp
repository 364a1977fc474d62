// WebSocket frames: bytes in, messages and control frames out, and the bytes that come before a frame's data.
// Source: RFC 6455, sections 5 and 7.4. No extensions. Pure; the masks of a client are arguments.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace smaster::websocket {

enum class Role { server, client };

enum class Opcode : std::uint8_t { continuation = 0, text = 1, binary = 2, close = 8, ping = 9, pong = 10 };

/// Close codes (7.4.1).
enum class CloseCode : std::uint16_t {
  normal = 1000,
  protocol_error = 1002,
  bad_payload = 1007,
  too_big = 1009
};

/// Maximum length of a control frame's data, in bytes.
inline constexpr std::size_t kMaxControl = 125;

using Mask = std::array<char, 4>;

/// What comes before a frame's data.
class FrameHead {
 public:
  FrameHead() = default;
  /// `mask`: of a client's frame.
  FrameHead(Opcode opcode, bool last, std::uint64_t length, const std::optional<Mask>& mask = {});
  [[nodiscard]] std::string_view bytes() const { return {bytes_.data(), size_}; }

 private:
  std::array<char, 14> bytes_{};
  std::size_t size_ = 0;
};

/// Masks or unmasks data in place (5.3). `offset`: number of the frame's bytes before `data`.
void apply_mask(std::span<char> data, const Mask& mask, std::size_t offset = 0);

/// The data of a close frame. Empty for a code that must not be sent.
[[nodiscard]] std::string close_data(std::uint16_t code);

/// True if `text` is UTF-8 (RFC 3629).
[[nodiscard]] bool is_utf8(std::string_view text);

/// Decodes the frames that one peer sends.
class FrameReader {
 public:
  enum class Kind {
    message,  ///< a complete message
    ping,
    pong,
    close,   ///< `code`: the peer's close code, 0 without one
    broken,  ///< the peer violates the protocol: to be closed with `code`. Nothing more is decoded.
  };
  struct Event {
    Kind kind;
    bool binary = false;    ///< of a message
    std::string_view data;  ///< valid until the next call, as long as the input
    std::uint16_t code = 0;
  };

  /// `role`: ours. `max_message`: maximum length of a message, in bytes.
  FrameReader(Role role, std::size_t max_message)
      : masked_(role == Role::server), max_message_(max_message) {}

  /// Decodes from the front of `bytes`, unmasking them in place, up to the next event, and removes them
  /// there. nullopt: all bytes were taken, and more are needed.
  [[nodiscard]] std::optional<Event> next(std::span<char>& bytes);
  /// True if a message has begun, and more of it is to come.
  [[nodiscard]] bool in_message() const { return in_message_; }
  /// Memory that is kept for the present message, in bytes.
  [[nodiscard]] std::size_t kept() const { return message_.capacity(); }

 private:
  [[nodiscard]] bool read_head(std::span<char>& bytes);
  /// The close code if the complete head is not allowed.
  [[nodiscard]] std::optional<CloseCode> judge_head();
  [[nodiscard]] Event finish_frame(std::string_view data);
  [[nodiscard]] Event finish_close(std::string_view data);
  [[nodiscard]] Event broken(CloseCode code);

  const bool masked_;
  bool ended_ = false;    ///< by a close frame or a violation: nothing follows
  bool in_data_ = false;  ///< the present frame's head is complete
  bool in_message_ = false;
  bool binary_ = false;  ///< the message
  std::array<char, 14> head_{};
  std::uint8_t head_size_ = 0;
  Opcode opcode_ = Opcode::text;
  bool last_ = false;
  Mask mask_{};
  std::size_t length_ = 0;  ///< of the present frame
  std::size_t taken_ = 0;   ///< of its bytes
  const std::size_t max_message_;
  std::string message_;  ///< of a message in several frames or reads, what has come
  std::string control_;  ///< the same of a control frame
};

}  // namespace smaster::websocket
