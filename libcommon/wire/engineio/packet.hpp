// Engine.IO 4 packets and their two encodings: one websocket frame, or a polling body of several joined by
// 0x1E. Source: the Engine.IO protocol, revision 4, as WIRE.md fixes it. Bytes in, values out; no session
// here.
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

/// Joins packets in a polling body.
inline constexpr char kSeparator = '\x1e';

/// A binary message too large to be held in memory: it is read while it is sent.
class FrameSource {
 public:
  /// The bytes from an offset on, none at the end; nothing at all when they cannot be had.
  using Then = std::function<void(std::optional<std::string>)>;
  /// The most that is read at once.
  static constexpr std::size_t kPiece = 192 * 1024;

  virtual ~FrameSource() = default;
  /// Calls back later, with at most kPiece bytes.
  virtual void read(std::size_t offset, Then then) = 0;
  /// The bytes of memory that it takes.
  [[nodiscard]] virtual std::size_t held() const { return kPiece; }
};

/// A packet on its way out, in its websocket form: text with the type character in front, or a binary
/// message's bytes alone. Shared, because a broadcast is encoded once for every session.
struct Frame {
  bool binary = false;
  std::shared_ptr<const std::string> data;
  std::shared_ptr<const std::string> tail;  ///< what follows `data`, if anything
  std::shared_ptr<FrameSource> source;      ///< instead of both

  /// The bytes of memory that it takes while it waits and while it is sent.
  [[nodiscard]] std::size_t held() const {
    return (data ? data->size() : 0) + (tail ? tail->size() : 0) + (source ? source->held() : 0);
  }
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

/// Appends a frame that has no source to a polling body.
void append_to_payload(std::string& body, const Frame& frame);

/// Bytes that a frame without a source takes in a polling body, without a separator.
[[nodiscard]] std::size_t payload_size(const Frame& frame);

/// The packets that one poll is answered with.
using Payload = std::vector<Frame>;

/// All of a payload whose frames have no source.
[[nodiscard]] std::string encode_payload(const Payload& payload);
/// How long that is; nothing when a frame has a source.
[[nodiscard]] std::optional<std::size_t> payload_size(const Payload& payload);

/// Encodes a payload piece by piece, so that neither the memory nor the time that a piece takes grows with
/// what there is to send.
class PayloadEncoder {
 public:
  explicit PayloadEncoder(Payload payload) : payload_(std::move(payload)) {}

  [[nodiscard]] bool done() const { return at_ == payload_.size(); }
  /// The source whose bytes from `offset` on are to be supplied before the next piece; usually none.
  [[nodiscard]] FrameSource* wants() const;
  [[nodiscard]] std::size_t offset() const { return offset_; }
  /// What the source gave.
  void supply(std::string bytes) { supplied_ = std::move(bytes); }
  /// The body's next bytes, about kPiece of them at most.
  [[nodiscard]] std::string next();

 private:
  static constexpr std::size_t kPiece = FrameSource::kPiece;

  void add_text(std::string& piece, const Frame& frame);
  void add_binary(std::string& piece, const Frame& frame);
  void add_supplied(std::string& piece);
  void next_frame();

  Payload payload_;
  std::size_t at_ = 0;      ///< the frame that is being encoded
  bool begun_ = false;      ///< what is in front of it has been written
  std::size_t offset_ = 0;  ///< of its bytes that are encoded
  std::optional<std::string> supplied_;
  std::string rest_;  ///< of a source's bytes: what does not fill a group of base64 yet
};

}  // namespace smaster::engineio
