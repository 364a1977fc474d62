#include "wire/engineio/packet.hpp"

#include <botan/base64.h>

#include <exception>

namespace smaster::engineio {

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

Result<Packet> decode_text(std::string_view text) {
  if (text.empty() || text.front() < '0' || text.front() > '6') {
    return fail(ErrorKind::bad_data, "unknown Engine.IO packet type");
  }
  return Packet{static_cast<PacketType>(text.front()), false, text.substr(1)};
}

Result<Packet> decode_segment(std::string_view segment, std::string& storage) {
  if (segment.empty() || segment.front() != 'b') return decode_text(segment);
  const auto base64 = segment.substr(1);
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
  const auto base64 = [](const std::string& data) {
    return Botan::base64_encode(reinterpret_cast<const std::uint8_t*>(data.data()), data.size());
  };
  body += 'b';
  body += base64(frame.data ? *frame.data : frame.source->whole());
}

std::size_t payload_size(const Frame& frame) {
  return frame.binary ? 1 + Botan::base64_encode_max_output(frame.held()) : frame.held();
}

}  // namespace smaster::engineio
