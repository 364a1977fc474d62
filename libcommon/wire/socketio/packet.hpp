// Socket.IO 5 packets as text: `<type>[<attachments>-][<namespace>,][<ack id>][JSON]`. Source: the Socket.IO
// protocol, revision 5, as WIRE.md fixes it. JSON stays text, so what only passes through is never rebuilt.
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

/// The most attachments one packet may have; Socket.IO's default.
inline constexpr std::size_t kMaxAttachments = 10;

/// The main namespace, which packets need not name.
inline constexpr std::string_view kMainNamespace = "/";

using AckId = std::uint64_t;

/// A packet taken apart; the views are into the text it was decoded from.
struct Packet {
  PacketType type = PacketType::event;
  std::size_t attachments = 0;
  std::string_view nsp = kMainNamespace;
  std::optional<AckId> ack_id;
  std::string_view json;     ///< all of the payload; empty when there is none
  json::Elements arguments;  ///< the payload's, of events and acks
};

/// bad_data for everything WIRE.md says closes the connection, save for attachments that never come.
[[nodiscard]] Result<Packet> decode(std::string_view text);

/// The text of a packet up to its payload.
void append_header(std::string& text, PacketType type, std::string_view nsp, std::optional<AckId> ack_id,
                   std::size_t attachments = 0);

/// The text of a packet. `json` is the payload, `attachments` how many binary messages will follow it.
[[nodiscard]] std::string encode(PacketType type, std::string_view nsp, std::optional<AckId> ack_id,
                                 std::string_view json, std::size_t attachments = 0);

/// Appends `[first,a,b,…]`, of elements that are JSON already; without `first` where that is empty.
void append_array(std::string& text, std::string_view first, const std::vector<std::string_view>& rest);
/// `[a,b,…]` from elements that are JSON already.
[[nodiscard]] std::string join_array(const std::vector<std::string_view>& elements);

/// Adds `offset` to the number of every attachment placeholder in `json`, which is how packets are merged;
/// bad_data when one names an attachment outside 0 … `count` − 1.
[[nodiscard]] Result<std::string> shift_placeholders(std::string_view json, std::size_t count,
                                                     std::size_t offset);

/// `json` with every placeholder replaced by `{"base64":"…"}`, for readers that have no attachments.
[[nodiscard]] Result<std::string> inline_attachments(std::string_view json,
                                                     const std::vector<std::string>& attachments);

}  // namespace smaster::socketio
