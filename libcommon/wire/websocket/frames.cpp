#include "wire/websocket/frames.hpp"

#include <algorithm>
#include <cstring>

#include "base/text.hpp"

namespace smaster::websocket {
namespace {

constexpr std::uint8_t kLast = 0x80;
constexpr std::uint8_t kReserved = 0x70;
constexpr std::uint8_t kOpcode = 0x0f;
constexpr std::uint8_t kMasked = 0x80;
constexpr std::uint8_t kLength = 0x7f;
constexpr std::uint8_t kLength16 = 126;
constexpr std::uint8_t kLength64 = 127;
/// A message that is not complete keeps at most this much more memory than it has bytes.
constexpr std::size_t kReserve = 64 * 1024;

bool is_control(Opcode opcode) { return opcode >= Opcode::close; }

std::uint64_t big_endian(std::string_view bytes) {
  std::uint64_t value = 0;
  for (const char byte : bytes) value = value << 8 | static_cast<std::uint8_t>(byte);
  return value;
}

/// Codes that a peer may send: those of RFC 6455 and IANA's registry, of libraries, and of applications.
bool may_be_sent(std::uint16_t code) {
  constexpr std::uint16_t kNoStatus = 1005;
  constexpr std::uint16_t kAbnormal = 1006;
  if (code >= 1000 && code <= 1014) return code != 1004 && code != kNoStatus && code != kAbnormal;
  return code >= 3000 && code <= 4999;
}

}  // namespace

FrameHead::FrameHead(Opcode opcode, bool last, std::uint64_t length, const std::optional<Mask>& mask) {
  const auto put = [this](std::uint64_t byte) { bytes_[size_++] = static_cast<char>(byte & 0xff); };
  put((last ? kLast : 0u) | static_cast<std::uint8_t>(opcode));
  const std::uint8_t masked = mask ? kMasked : 0;
  if (length < kLength16) {
    put(masked | length);
  } else {
    const bool is_short = length <= 0xffff;
    put(masked | (is_short ? kLength16 : kLength64));
    for (int shift = is_short ? 8 : 56; shift >= 0; shift -= 8) put(length >> shift);
  }
  if (mask) {
    for (const char byte : *mask) bytes_[size_++] = byte;
  }
}

void apply_mask(std::span<char> data, const Mask& mask, std::size_t offset) {
  std::array<char, 8> turned{};
  for (std::size_t i = 0; i < turned.size(); ++i) turned[i] = mask[(offset + i) % mask.size()];
  std::uint64_t word = 0;
  std::memcpy(&word, turned.data(), sizeof word);
  std::size_t at = 0;
  for (; at + sizeof word <= data.size(); at += sizeof word) {
    std::uint64_t part = 0;
    std::memcpy(&part, data.data() + at, sizeof part);
    part ^= word;
    std::memcpy(data.data() + at, &part, sizeof part);
  }
  for (std::size_t i = 0; at < data.size(); ++at, ++i) data[at] = static_cast<char>(data[at] ^ turned[i]);
}

std::string close_data(std::uint16_t code) {
  if (!may_be_sent(code)) return {};
  return {static_cast<char>(code >> 8), static_cast<char>(code & 0xff)};
}

bool is_utf8(std::string_view text) {
  constexpr std::uint64_t kHighBits = 0x8080808080808080;
  while (!text.empty()) {
    std::uint64_t word = kHighBits;
    if (text.size() >= sizeof word) std::memcpy(&word, text.data(), sizeof word);
    const auto length = (word & kHighBits) == 0 ? sizeof word : utf8_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

FrameReader::Event FrameReader::broken(CloseCode code) {
  ended_ = true;
  release(message_);
  return {Kind::broken, false, {}, static_cast<std::uint16_t>(code)};
}

/// True if the head is complete. Takes no bytes beyond it.
bool FrameReader::read_head(std::span<char>& bytes) {
  const auto need = [this]() -> std::size_t {
    if (head_size_ < 2) return 2;
    const auto second = static_cast<std::uint8_t>(head_[1]);
    const auto length = second & kLength;
    const std::size_t more = length == kLength16 ? 2 : length == kLength64 ? 8 : 0;
    return 2 + more + ((second & kMasked) != 0 ? 4 : 0);
  };
  while (head_size_ < need()) {
    if (bytes.empty()) return false;
    const auto count = std::min(need() - head_size_, bytes.size());
    std::copy_n(bytes.begin(), count, head_.begin() + head_size_);
    head_size_ = static_cast<std::uint8_t>(head_size_ + count);
    bytes = bytes.subspan(count);
  }
  return true;
}

std::optional<CloseCode> FrameReader::judge_head() {
  const auto first = static_cast<std::uint8_t>(head_[0]);
  const auto second = static_cast<std::uint8_t>(head_[1]);
  opcode_ = static_cast<Opcode>(first & kOpcode);
  last_ = (first & kLast) != 0;
  const std::string_view head(head_.data(), head_size_);
  const std::uint8_t form = second & kLength;
  std::uint64_t length = form;
  if (form == kLength16) length = big_endian(head.substr(2, 2));
  if (form == kLength64) length = big_endian(head.substr(2, 8));
  const bool masked = (second & kMasked) != 0;
  if (masked) std::copy_n(head_.begin() + head_size_ - 4, 4, mask_.begin());
  head_size_ = 0;
  // The shortest form is required (5.2).
  const bool too_long = (form == kLength16 && length < kLength16) || (form == kLength64 && length <= 0xffff);
  const bool known = opcode_ <= Opcode::binary || (opcode_ >= Opcode::close && opcode_ <= Opcode::pong);
  const bool continues = opcode_ == Opcode::continuation;
  if ((first & kReserved) != 0 || !known || masked != masked_ || too_long) return CloseCode::protocol_error;
  if (is_control(opcode_)) {
    if (!last_ || length > kMaxControl) return CloseCode::protocol_error;
  } else {
    if (continues != in_message_) return CloseCode::protocol_error;
    if (length > max_message_ - message_.size()) return CloseCode::too_big;
    if (!continues) binary_ = opcode_ == Opcode::binary;
    in_message_ = true;
  }
  length_ = static_cast<std::size_t>(length);
  taken_ = 0;
  return std::nullopt;
}

FrameReader::Event FrameReader::finish_close(std::string_view data) {
  ended_ = true;
  if (data.empty()) return {Kind::close, false, {}, 0};
  const auto code =
      data.size() < 2 ? std::uint16_t{0} : static_cast<std::uint16_t>(big_endian(data.substr(0, 2)));
  if (!may_be_sent(code)) return broken(CloseCode::protocol_error);
  if (!is_utf8(data.substr(2))) return broken(CloseCode::protocol_error);
  return {Kind::close, false, {}, code};
}

/// `data`: of the control frame, or of the whole message.
FrameReader::Event FrameReader::finish_frame(std::string_view data) {
  switch (opcode_) {
    case Opcode::close:
      return finish_close(data);
    case Opcode::ping:
      return {Kind::ping, false, data, 0};
    case Opcode::pong:
      return {Kind::pong, false, data, 0};
    default:
      in_message_ = false;
      if (!binary_ && !is_utf8(data)) return broken(CloseCode::bad_payload);
      return {Kind::message, binary_, data, 0};
  }
}

std::optional<FrameReader::Event> FrameReader::next(std::span<char>& bytes) {
  // What the last event referred to.
  if (!in_message_ && !message_.empty()) release(message_);
  if (!in_data_ && !control_.empty()) release(control_);
  while (!ended_) {
    if (!in_data_) {
      if (!read_head(bytes)) return std::nullopt;
      if (const auto code = judge_head()) return broken(*code);
      in_data_ = true;
    }
    const auto part = bytes.first(std::min(length_ - taken_, bytes.size()));
    bytes = bytes.subspan(part.size());
    if (masked_) apply_mask(part, mask_, taken_);
    auto& held = is_control(opcode_) ? control_ : message_;
    const bool complete = taken_ + part.size() == length_;
    if (complete && last_ && held.empty()) {
      in_data_ = false;
      return finish_frame({part.data(), part.size()});
    }
    if (held.empty()) held.reserve(std::min(length_, kReserve));
    held.append(part.data(), part.size());
    taken_ += part.size();
    if (!complete) return std::nullopt;
    in_data_ = false;
    if (last_) return finish_frame(held);
  }
  bytes = {};
  return std::nullopt;
}

}  // namespace smaster::websocket
