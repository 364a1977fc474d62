#include "wire/engineio/packet.hpp"

#include <botan/base64.h>

#include <exception>

namespace smaster::engineio {
namespace {

std::string base64(std::string_view data) {
  return Botan::base64_encode(reinterpret_cast<const std::uint8_t*>(data.data()), data.size());
}

/// `b` and the base64 of another source, which is encoded as it is read.
class Base64Source final : public FrameSource {
 public:
  explicit Base64Source(std::shared_ptr<FrameSource> bytes) : bytes_(std::move(bytes)) {}

  void read(std::size_t offset, Then then) override {
    const bool first = offset == 0;
    gather(bytes_, first ? 0 : (offset - 1) / 4 * 3, {}, [first, then = std::move(then)](auto bytes) {
      then(bytes ? std::optional((first ? "b" : "") + base64(*bytes)) : std::nullopt);
    });
  }
  std::string whole() override { return 'b' + base64(bytes_->whole()); }

 private:
  /// Three bytes are four characters: gives a multiple of three, except at the end. What is over is read
  /// again.
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
  body += base64(frame.data ? *frame.data : frame.source->whole());
}

std::size_t payload_size(const Frame& frame) {
  return frame.binary ? 1 + Botan::base64_encode_max_output(frame.held()) : frame.held();
}

}  // namespace smaster::engineio
