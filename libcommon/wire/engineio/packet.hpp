// Engine.IO 4 packets and their two encodings: one websocket frame, or a polling body of several joined by
// 0x1E. Source: the Engine.IO protocol, revision 4, as WIRE.md fixes it. Bytes in, values out; no session
// here.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

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

/// Joins packets in a polling body.
inline constexpr char kSeparator = '\x1e';

/// A packet on its way out, in its websocket form: text with the type character in front, or a binary
/// message's bytes alone. Shared, because a broadcast is encoded once for every session.
class FrameSource;

struct Frame {
  bool binary = false;
  std::shared_ptr<const std::string> data;
  std::shared_ptr<const std::string> tail;  ///< what follows `data`, if anything
  std::shared_ptr<FrameSource> source;      ///< instead of both

  /// The bytes that wait in memory with it.
  [[nodiscard]] std::size_t held() const { return (data ? data->size() : 0) + (tail ? tail->size() : 0); }
};

/// A binary message too large to be held in memory: it is read while it is sent.
class FrameSource {
 public:
  /// The bytes from an offset on, none at the end; nothing at all when they cannot be had.
  using Then = std::function<void(std::optional<std::string>)>;

  virtual ~FrameSource() = default;
  /// Calls back later, with as many bytes as are convenient.
  virtual void read(std::size_t offset, Then then) = 0;
  /// All of it, for transports that take it no other way; waits for it.
  [[nodiscard]] virtual std::string whole() = 0;
};

[[nodiscard]] Frame text_frame(PacketType type, std::string_view data = {});
/// `text`: with its type in front. `tail`: the rest of it, which others may share.
[[nodiscard]] Frame text_frame(std::string text, std::shared_ptr<const std::string> tail = nullptr);
[[nodiscard]] Frame binary_frame(std::string data);

/// A packet as received; `data` views the input, or `decoded` where base64 had to be undone.
struct Packet {
  PacketType type = PacketType::noop;
  bool binary = false;
  std::string_view data;
};

/// One text frame or one segment of a polling body: its type and the rest, or `b` + base64, a binary message,
/// whose bytes are kept in `storage`. bad_data for an unknown type and malformed base64.
[[nodiscard]] Result<Packet> decode(std::string_view text, std::string& storage);

/// A binary message as text, `b` + base64, for clients that take no binary frames.
[[nodiscard]] Frame base64_frame(const Frame& binary);

/// Takes the first segment off a polling body; nothing when all are taken. An empty body has one, empty,
/// segment.
class PayloadReader {
 public:
  explicit PayloadReader(std::string_view body) : rest_(body) {}
  [[nodiscard]] std::optional<std::string_view> next();

 private:
  std::optional<std::string_view> rest_;
};

/// Appends a frame to a polling body.
void append_to_payload(std::string& body, const Frame& frame);

/// Bytes that the frame takes in a polling body, without a separator.
[[nodiscard]] std::size_t payload_size(const Frame& frame);

}  // namespace smaster::engineio
