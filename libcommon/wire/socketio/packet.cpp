#include "wire/socketio/packet.hpp"

#include <botan/base64.h>

#include <functional>
#include <utility>

#include "base/text.hpp"
#include "json/json.hpp"

namespace smaster::socketio {
namespace {

Error malformed(const char* what) {
  return fail(ErrorKind::bad_data, std::string("Socket.IO packet: ") + what);
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// Removes the digits at the front of `text`, and returns them.
std::string_view take_digits(std::string_view& text) {
  std::size_t n = 0;
  while (n < text.size() && is_digit(text[n])) ++n;
  const auto digits = text.substr(0, n);
  text.remove_prefix(n);
  return digits;
}

bool is_object(std::string_view json) { return !json.empty() && json.front() == '{' && json::valid(json); }

/// Validates and splits the payload, depending on the packet type.
Result<void> read_payload(Packet& packet) {
  switch (packet.type) {
    case PacketType::connect:
    case PacketType::connect_error:
      if (!packet.json.empty() && !is_object(packet.json))
        return malformed("CONNECT's payload is not an object");
      return {};
    case PacketType::disconnect:
      if (!packet.json.empty()) return malformed("DISCONNECT has a payload");
      return {};
    case PacketType::event:
    case PacketType::ack:
    case PacketType::binary_event:
    case PacketType::binary_ack:
      break;
  }
  auto elements = json::split(packet.json);
  if (!elements) return malformed("the payload is not a JSON array");
  packet.arguments = std::move(*elements);
  if (packet.type == PacketType::ack || packet.type == PacketType::binary_ack) {
    if (!packet.ack_id) return malformed("ACK without an id");
    return {};
  }
  if (packet.arguments.values.empty()) return malformed("EVENT with an empty array");
  const char first = packet.arguments.values.front().front();
  if (first != '"' && first != '-' && !is_digit(first)) return malformed("EVENT without a name");
  return {};
}

/// Calls `replace` for every placeholder object in `value`, with its number and itself. Stops when `replace`
/// returns false.
bool walk_placeholders(json::bj::value& value,
                       const std::function<bool(std::size_t, json::bj::value&)>& replace) {
  if (value.is_array()) {
    for (auto& element : value.get_array()) {
      if (!walk_placeholders(element, replace)) return false;
    }
    return true;
  }
  if (!value.is_object()) return true;
  auto& object = value.get_object();
  const auto* mark = object.if_contains("_placeholder");
  if (mark != nullptr && mark->is_bool() && mark->get_bool()) {
    const auto* num = object.if_contains("num");
    if (num == nullptr || !num->is_int64() || num->get_int64() < 0) return false;
    return replace(static_cast<std::size_t>(num->get_int64()), value);
  }
  for (auto& member : object) {
    if (!walk_placeholders(member.value(), replace)) return false;
  }
  return true;
}

Result<std::string> replace_placeholders(std::string_view json,
                                         const std::function<bool(std::size_t, json::bj::value&)>& replace) {
  auto value = json::parse(json);
  if (!value) return value.error();
  if (!walk_placeholders(*value, replace)) return malformed("a placeholder names no attachment");
  return json::serialize(*value);
}

}  // namespace

Result<Packet> decode(std::string_view text) {
  Packet packet;
  if (text.empty() || text.front() < '0' || text.front() > '6') return malformed("unknown type");
  packet.type = static_cast<PacketType>(text.front());
  text.remove_prefix(1);

  if (packet.type == PacketType::binary_event || packet.type == PacketType::binary_ack) {
    const auto count = parse_int<std::size_t>(take_digits(text));
    if (!count || *count == 0 || !text.starts_with('-')) return malformed("no number of attachments");
    if (*count > kMaxAttachments) return malformed("too many attachments");
    packet.attachments = *count;
    text.remove_prefix(1);
  }
  if (text.starts_with('/')) {
    const auto comma = text.find(',');
    packet.nsp = text.substr(0, comma);
    text.remove_prefix(comma == std::string_view::npos ? text.size() : comma + 1);
  }
  if (const auto digits = take_digits(text); !digits.empty()) {
    packet.ack_id = parse_int<AckId>(digits);
    if (!packet.ack_id) return malformed("bad ack id");
  }
  packet.json = text;
  if (auto read = read_payload(packet); !read) return read.error();
  return packet;
}

void append_header(std::string& text, PacketType type, std::string_view nsp, std::optional<AckId> ack_id,
                   std::size_t attachments) {
  text += static_cast<char>(type);
  if (attachments > 0) {
    text += std::to_string(attachments);
    text += '-';
  }
  if (nsp != kMainNamespace) {
    text += nsp;
    text += ',';
  }
  if (ack_id) text += std::to_string(*ack_id);
}

std::string encode(PacketType type, std::string_view nsp, std::optional<AckId> ack_id, std::string_view json,
                   std::size_t attachments) {
  std::string text;
  append_header(text, type, nsp, ack_id, attachments);
  text += json;
  return text;
}

void append_array(std::string& text, std::string_view first, const std::vector<std::string_view>& rest) {
  text += '[';
  text += first;
  bool begin = first.empty();
  for (const auto element : rest) {
    if (!std::exchange(begin, false)) text += ',';
    text += element;
  }
  text += ']';
}

Result<std::string> shift_placeholders(std::string_view json, std::size_t count, std::size_t offset) {
  return replace_placeholders(json, [&](std::size_t num, json::bj::value& value) {
    if (num >= count) return false;
    value = json::bj::object{{"_placeholder", true}, {"num", num + offset}};
    return true;
  });
}

Result<std::string> inline_attachments(std::string_view json, const std::vector<std::string>& attachments) {
  if (attachments.empty()) return std::string(json);
  return replace_placeholders(json, [&](std::size_t num, json::bj::value& value) {
    if (num >= attachments.size()) return false;
    const auto& data = attachments[num];
    value = json::bj::object{
        {"base64", Botan::base64_encode(reinterpret_cast<const std::uint8_t*>(data.data()), data.size())}};
    return true;
  });
}

}  // namespace smaster::socketio
