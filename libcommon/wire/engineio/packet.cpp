#include "wire/engineio/packet.hpp"

#include <botan/base64.h>

#include <exception>

namespace smaster::engineio {
namespace {

constexpr std::size_t kGroup = 3;  ///< base64 encodes 3 bytes as 4 characters

void append_base64(std::string& out, std::string_view bytes) {
  const auto begin = out.size();
  out.resize(begin + Botan::base64_encode_max_output(bytes.size()));
  std::size_t consumed = 0;
  const auto written = Botan::base64_encode(
      out.data() + begin, reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size(), consumed, true);
  out.resize(begin + written);
}

std::string base64(std::string_view bytes) {
  std::string out;
  append_base64(out, bytes);
  return out;
}

/// Another source in base64 with `b` in front, encoded while it is read.
class Base64Source final : public FrameSource {
 public:
  explicit Base64Source(std::shared_ptr<FrameSource> bytes) : bytes_(std::move(bytes)) {}

  void read(std::size_t offset, Then then) override {
    const bool first = offset == 0;
    gather(bytes_, first ? 0 : (offset - 1) / 4 * 3, {}, [first, then = std::move(then)](auto bytes) {
      then(bytes ? std::optional((first ? "b" : "") + base64(*bytes)) : std::nullopt);
    });
  }

 private:
  /// Reads until there are 3 bytes, then drops the incomplete group at the end; it is read again with the
  /// next piece. Only the last piece may have another length.
  static void gather(const std::shared_ptr<FrameSource>& bytes, std::size_t offset, std::string got,
                     Then then) {
    bytes->read(offset + got.size(),
                [bytes, offset, got, then = std::move(then)](std::optional<std::string> piece) mutable {
                  if (!piece) return then(std::nullopt);
                  got += *piece;
                  if (piece->empty()) return then(std::move(got));
                  if (got.size() < 3) return gather(bytes, offset, std::move(got), std::move(then));
                  got.resize(got.size() - got.size() % 3);
                  then(std::move(got));
                });
  }

  std::shared_ptr<FrameSource> bytes_;
};

}  // namespace

Frame text_frame(PacketType type, std::string_view data) {
  std::string text;
  text.reserve(data.size() + 1);
  text.push_back(static_cast<char>(type));
  text.append(data);
  return text_frame(std::move(text));
}

Frame text_frame(std::string text, std::shared_ptr<const std::string> tail) {
  return {false, std::make_shared<const std::string>(std::move(text)), std::move(tail), nullptr};
}

Frame binary_frame(std::string data) {
  return {true, std::make_shared<const std::string>(std::move(data)), nullptr, nullptr};
}

Result<Packet> decode(std::string_view text, std::string& storage) {
  if (text.empty()) return fail(ErrorKind::bad_data, "an empty Engine.IO packet");
  if (text.front() != 'b') {
    if (text.front() < '0' || text.front() > '6') {
      return fail(ErrorKind::bad_data, "unknown Engine.IO packet type");
    }
    return Packet{static_cast<PacketType>(text.front()), false, text.substr(1)};
  }
  const auto base64 = text.substr(1);
  try {
    storage.resize(Botan::base64_decode_max_output(base64.size()));
    const auto size =
        Botan::base64_decode(reinterpret_cast<std::uint8_t*>(storage.data()), std::string(base64), false);
    storage.resize(size);
  } catch (const std::exception&) {
    return fail(ErrorKind::bad_data, "malformed base64 in an Engine.IO binary packet");
  }
  return Packet{PacketType::message, true, storage};
}

Frame base64_frame(const Frame& binary) {
  if (binary.source) return {false, nullptr, nullptr, std::make_shared<Base64Source>(binary.source)};
  return text_frame('b' + base64(*binary.data));
}

std::optional<std::string_view> PayloadReader::next() {
  if (!rest_) return std::nullopt;
  const auto end = rest_->find(kSeparator);
  const auto segment = rest_->substr(0, end);
  if (end == std::string_view::npos) {
    rest_.reset();
  } else {
    rest_->remove_prefix(end + 1);
  }
  return segment;
}

void append_to_payload(std::string& body, const Frame& frame) {
  if (!body.empty()) body += kSeparator;
  if (!frame.binary) {
    body += *frame.data;
    if (frame.tail) body += *frame.tail;
    return;
  }
  body += 'b';
  append_base64(body, *frame.data);
}

std::size_t payload_size(const Frame& frame) {
  return frame.binary ? 1 + Botan::base64_encode_max_output(frame.size()) : frame.size();
}

std::string encode_payload(const Payload& payload) {
  std::string body;
  for (const auto& frame : payload) append_to_payload(body, frame);
  return body;
}

std::optional<std::size_t> payload_size(const Payload& payload) {
  std::size_t size = payload.empty() ? 0 : payload.size() - 1;
  for (const auto& frame : payload) {
    if (frame.source) return std::nullopt;
    size += payload_size(frame);
  }
  return size;
}

FrameSource* PayloadEncoder::wants() const {
  return begun_ && !done() && !supplied_ ? payload_[at_].source.get() : nullptr;
}

std::string PayloadEncoder::next() {
  std::string piece;
  while (piece.size() < kPiece && !done() && wants() == nullptr) {
    const auto& frame = payload_[at_];
    if (!std::exchange(begun_, true)) {
      if (at_ > 0) piece += kSeparator;
      if (frame.binary) piece += 'b';
      continue;
    }
    if (frame.source) {
      add_supplied(piece);
    } else if (frame.binary) {
      add_binary(piece, frame);
    } else {
      add_text(piece, frame);
    }
  }
  return piece;
}

void PayloadEncoder::add_text(std::string& piece, const Frame& frame) {
  const bool in_data = offset_ < frame.data->size();
  const std::string_view part = in_data ? std::string_view(*frame.data).substr(offset_)
                                : frame.tail
                                    ? std::string_view(*frame.tail).substr(offset_ - frame.data->size())
                                    : std::string_view();
  const auto some = part.substr(0, kPiece - piece.size());
  piece += some;
  offset_ += some.size();
  if (offset_ == frame.size()) next_frame();
}

void PayloadEncoder::add_binary(std::string& piece, const Frame& frame) {
  static_assert(kPiece % kGroup == 0);
  const auto some = std::string_view(*frame.data).substr(offset_, kPiece);
  append_base64(piece, some);
  offset_ += some.size();
  if (offset_ == frame.data->size()) next_frame();
}

void PayloadEncoder::add_supplied(std::string& piece) {
  auto bytes = *std::exchange(supplied_, std::nullopt);
  offset_ += bytes.size();
  if (bytes.empty()) {
    append_base64(piece, rest_);
    rest_.clear();
    return next_frame();
  }
  bytes.insert(0, rest_);
  const auto whole = bytes.size() / kGroup * kGroup;
  append_base64(piece, std::string_view(bytes).substr(0, whole));
  rest_ = bytes.substr(whole);
}

void PayloadEncoder::next_frame() {
  ++at_;
  begun_ = false;
  offset_ = 0;
}

}  // namespace smaster::engineio
