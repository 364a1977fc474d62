#include "wire/socketio/assembler.hpp"

#include <utility>

#include "json/json.hpp"

namespace smaster::socketio {
namespace {

Error broken(const char* why) { return fail(ErrorKind::bad_data, why); }

std::vector<engineio::Frame> frames_of(std::string_view packet, const std::vector<std::string>& attachments) {
  std::vector<engineio::Frame> frames{engineio::text_frame(engineio::PacketType::message, packet)};
  for (const auto& attachment : attachments) frames.push_back(engineio::binary_frame(attachment));
  return frames;
}

}  // namespace

Result<std::optional<Assembled>> Assembler::receive(bool binary, std::string_view data) {
  if (binary) {
    if (!partial_) return broken("a binary message that belongs to no packet");
    partial_->attachments.emplace_back(data);
    if (partial_->attachments.size() < partial_->expected) return std::optional<Assembled>{};
    complete_ = std::move(partial_->text);
    Assembled whole{*decode(complete_), std::move(partial_->attachments)};
    partial_.reset();
    return std::optional(std::move(whole));
  }
  if (partial_) return broken("a packet came before the last one's attachments");
  auto packet = decode(data);
  if (!packet) return packet.error();
  if (packet->attachments == 0) return std::optional(Assembled{std::move(*packet), {}});
  if (!shift_placeholders(packet->json, packet->attachments, 0)) {
    return broken("a placeholder names no attachment");
  }
  partial_ = Partial{std::string(data), packet->attachments, {}};
  return std::optional<Assembled>{};
}

std::string take_event_name(std::vector<std::string_view>& arguments) {
  auto name = json::unquote(arguments.front()).value_or(std::string(arguments.front()));
  arguments.erase(arguments.begin());
  return name;
}

std::vector<engineio::Frame> encode_event(std::string_view nsp, std::string_view name,
                                          std::optional<AckId> ack_id,
                                          const std::vector<std::string_view>& arguments,
                                          const std::vector<std::string>& attachments) {
  const auto quoted = json::quote(name);
  std::vector<std::string_view> elements{quoted};
  elements.insert(elements.end(), arguments.begin(), arguments.end());
  const auto type = attachments.empty() ? PacketType::event : PacketType::binary_event;
  return frames_of(encode(type, nsp, ack_id, join_array(elements), attachments.size()), attachments);
}

std::vector<engineio::Frame> encode_ack(std::string_view nsp, AckId ack_id,
                                        const std::vector<std::string_view>& arguments,
                                        const std::vector<std::string>& attachments) {
  const auto type = attachments.empty() ? PacketType::ack : PacketType::binary_ack;
  return frames_of(encode(type, nsp, ack_id, join_array(arguments), attachments.size()), attachments);
}

}  // namespace smaster::socketio
