// Engine.IO 4 packets and their two encodings: one websocket frame, or a polling body of several packets
// joined by 0x1E. Source: the Engine.IO protocol, revision 4, as fixed by WIRE.md. Bytes in, values out; no
// session state.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"

namespace smaster::engineio {

enum class PacketType : char {
  open = '0',
  close = '1',
  ping = '2',
  pong = '3',
  message = '4',
  upgrade = '5',
  noop = '6',
};

/// The separator of packets in a polling body.
inline constexpr char kSeparator = '\x1e';

/// A binary message that is too large for memory: it is read while it is sent.
class FrameSource {
 public:
  /// Receives the bytes from an offset on. Empty: end of the message. nullopt: they cannot be read.
  using Then = std::function<void(std::optional<std::string>)>;
  /// Maximum number of bytes per read.
  static constexpr std::size_t kPiece = 192 * 1024;

  virtual ~FrameSource() = default;
  /// Reads at most kPiece bytes and calls `then` later, never before returning.
  virtual void read(std::size_t offset, Then then) = 0;
  /// Memory it uses, in bytes.
  [[nodiscard]] virtual std::size_t held() const { return kPiece; }
};

/// An outgoing packet in its websocket form: text with the type character in front, or the plain bytes of a
/// binary message. The data is shared, because a broadcast is encoded once for all sessions.
struct Frame {
  bool binary = false;
  std::shared_ptr<const std::string> data;
  std::shared_ptr<const std::string> tail;  ///< sent after `data`; may be null
  std::shared_ptr<FrameSource> source;      ///< replaces `data` and `tail`

  /// Number of bytes of `data` and `tail`.
  [[nodiscard]] std::size_t size() const { return (data ? data->size() : 0) + (tail ? tail->size() : 0); }
  /// Memory it uses while queued or being sent, in bytes, with that of its entry: a flood of small messages
  /// must not hold many times what is counted.
  [[nodiscard]] std::size_t held() const {
    constexpr std::size_t kEntry = 256;
    return kEntry + size() + (source ? source->held() : 0);
  }
};

[[nodiscard]] Frame text_frame(PacketType type, std::string_view data = {});
/// `text` starts with the type character. `tail` is sent after it, and may be shared by several frames.
[[nodiscard]] Frame text_frame(std::string text, std::shared_ptr<const std::string> tail = nullptr);
[[nodiscard]] Frame binary_frame(std::string data);

/// A received packet. `data` is a view into the input, or into `storage` if it was base64.
struct Packet {
  PacketType type = PacketType::noop;
  bool binary = false;
  std::string_view data;
};

/// Decodes a text frame, or one segment of a polling body: a type character and data, or `b` and base64, a
/// binary message whose bytes go to `storage`. Errors: bad_data for an unknown type or malformed base64.
[[nodiscard]] Result<Packet> decode(std::string_view text, std::string& storage);

/// A binary message as text, `b` + base64, for clients that cannot receive binary frames.
[[nodiscard]] Frame base64_frame(const Frame& binary);

/// Splits a polling body into its segments. An empty body has one segment, which is empty.
class PayloadReader {
 public:
  explicit PayloadReader(std::string_view body) : rest_(body) {}
  [[nodiscard]] std::optional<std::string_view> next();

 private:
  std::optional<std::string_view> rest_;
};

/// Appends a frame to a polling body. The frame must not have a source.
void append_to_payload(std::string& body, const Frame& frame);

/// Size of a frame in a polling body, in bytes, without a separator. The frame must not have a source.
[[nodiscard]] std::size_t payload_size(const Frame& frame);

/// The packets in the response to one poll.
using Payload = std::vector<Frame>;

/// Encodes a payload. Its frames must not have sources.
[[nodiscard]] std::string encode_payload(const Payload& payload);
/// The encoded size in bytes; nullopt if a frame has a source.
[[nodiscard]] std::optional<std::size_t> payload_size(const Payload& payload);

/// Encodes a payload piece by piece: memory and time per piece do not depend on the size of the payload.
class PayloadEncoder {
 public:
  explicit PayloadEncoder(Payload payload) : payload_(std::move(payload)) {}

  [[nodiscard]] bool done() const { return at_ == payload_.size(); }
  /// The source to read from `offset` before the next piece; usually null.
  [[nodiscard]] FrameSource* wants() const;
  [[nodiscard]] std::size_t offset() const { return offset_; }
  /// Passes the bytes read from the source.
  void supply(std::string bytes) { supplied_ = std::move(bytes); }
  /// The next bytes of the body, at most about kPiece.
  [[nodiscard]] std::string next();

 private:
  static constexpr std::size_t kPiece = FrameSource::kPiece;

  void add_text(std::string& piece, const Frame& frame);
  void add_binary(std::string& piece, const Frame& frame);
  void add_supplied(std::string& piece);
  void next_frame();

  Payload payload_;
  std::size_t at_ = 0;      ///< index of the current frame
  bool begun_ = false;      ///< the separator and type of the current frame have been written
  std::size_t offset_ = 0;  ///< number of its bytes that have been encoded
  std::optional<std::string> supplied_;
  std::string rest_;  ///< bytes of a source that do not fill a base64 group yet
};

}  // namespace smaster::engineio
