// Socket.IO 5 packets as text: `<type>[<attachments>-][<namespace>,][<ack id>][JSON]`. Source: the Socket.IO
// protocol, revision 5, as fixed by WIRE.md. JSON stays text, so that forwarded data is never rebuilt.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "json/json.hpp"

namespace smaster::socketio {

enum class PacketType : char {
  connect = '0',
  disconnect = '1',
  event = '2',
  ack = '3',
  connect_error = '4',
  binary_event = '5',
  binary_ack = '6',
};

/// Maximum number of attachments per packet; Socket.IO's default.
inline constexpr std::size_t kMaxAttachments = 10;

/// The main namespace; packets omit its name.
inline constexpr std::string_view kMainNamespace = "/";

using AckId = std::uint64_t;

/// A decoded packet; its views refer to the decoded text.
struct Packet {
  PacketType type = PacketType::event;
  std::size_t attachments = 0;
  std::string_view nsp = kMainNamespace;
  std::optional<AckId> ack_id;
  std::string_view json;     ///< the whole payload; empty: none
  json::Elements arguments;  ///< elements of the payload; events and acks only
};

/// Errors: bad_data for all violations that close the connection according to WIRE.md. Missing attachments
/// are not detected here.
[[nodiscard]] Result<Packet> decode(std::string_view text);

/// Appends a packet's text up to the payload.
void append_header(std::string& text, PacketType type, std::string_view nsp, std::optional<AckId> ack_id,
                   std::size_t attachments = 0);

/// A packet's text. `json`: the payload; `attachments`: number of binary messages that will follow.
[[nodiscard]] std::string encode(PacketType type, std::string_view nsp, std::optional<AckId> ack_id,
                                 std::string_view json, std::size_t attachments = 0);

/// Appends `[first,rest…]`; the elements are JSON. An empty `first` is left out.
void append_array(std::string& text, std::string_view first, const std::vector<std::string_view>& rest);

/// Adds `offset` to the number of each placeholder in `json`, to merge packets. Errors: bad_data if a number
/// is not in 0 … `count` − 1.
[[nodiscard]] Result<std::string> shift_placeholders(std::string_view json, std::size_t count,
                                                     std::size_t offset);

/// Replaces each placeholder in `json` by `{"base64":"…"}`, for receivers without attachments. Without
/// attachments `json` is returned unchanged: parsing could round numbers, and what looks like a placeholder
/// is data.
[[nodiscard]] Result<std::string> inline_attachments(std::string_view json,
                                                     const std::vector<std::string>& attachments);

}  // namespace smaster::socketio
