#include "wire/socketio/assembler.hpp"

#include <utility>

#include "json/json.hpp"

namespace smaster::socketio {
namespace {

Error broken(const char* why) { return fail(ErrorKind::bad_data, why); }

std::size_t array_size(std::string_view name, const std::vector<std::string_view>& arguments) {
  std::size_t size = name.size() + 2;
  for (const auto argument : arguments) size += argument.size() + 1;
  return size;
}

/// A packet up to its JSON, as the text of a message.
std::string head_of(PacketType type, std::string_view nsp, std::optional<AckId> ack_id,
                    std::size_t attachments) {
  std::string text(1, static_cast<char>(engineio::PacketType::message));
  append_header(text, type, nsp, ack_id, attachments);
  return text;
}

/// The frames of a packet. `name` is the quoted event name; empty for an ack.
std::vector<engineio::Frame> frames_of(PacketType type, std::string_view nsp, std::optional<AckId> ack_id,
                                       std::string_view name, const std::vector<std::string_view>& arguments,
                                       const std::vector<std::string>& attachments) {
  auto text = head_of(type, nsp, ack_id, attachments.size());
  text.reserve(text.size() + array_size(name, arguments));
  append_array(text, name, arguments);
  std::vector<engineio::Frame> frames;
  frames.reserve(1 + attachments.size());
  frames.push_back(engineio::text_frame(std::move(text)));
  for (const auto& attachment : attachments) frames.push_back(engineio::binary_frame(attachment));
  return frames;
}

}  // namespace

Result<std::optional<Assembled>> Assembler::receive(bool binary, std::string_view data) {
  if (given_up_) return broken("it held the most memory for attachments when that was needed for others");
  if (binary) {
    if (!partial_) return broken("a binary message that belongs to no packet");
    if (auto held = hold(data.size()); !held) return held.error();
    partial_->attachments.emplace_back(data);
    if (partial_->attachments.size() < partial_->expected) return std::optional<Assembled>{};
    complete_ = std::move(partial_->text);
    Assembled whole{*decode(complete_), std::move(partial_->attachments)};
    partial_.reset();
    release();
    return std::optional(std::move(whole));
  }
  if (partial_) return broken("a packet came before the last one's attachments");
  auto packet = decode(data);
  if (!packet) return packet.error();
  if (packet->attachments == 0) return std::optional(Assembled{std::move(*packet), {}});
  if (!shift_placeholders(packet->json, packet->attachments, 0)) {
    return broken("a placeholder names no attachment");
  }
  if (auto held = hold(data.size()); !held) return held.error();
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
  const auto type = attachments.empty() ? PacketType::event : PacketType::binary_event;
  return frames_of(type, nsp, ack_id, json::quote(name), arguments, attachments);
}

std::shared_ptr<const std::string> event_payload(std::string_view name,
                                                 const std::vector<std::string_view>& arguments) {
  const auto quoted = json::quote(name);
  auto text = std::make_shared<std::string>();
  text->reserve(array_size(quoted, arguments));
  append_array(*text, quoted, arguments);
  return text;
}

engineio::Frame event_frame(std::optional<AckId> ack_id, std::shared_ptr<const std::string> payload,
                            std::size_t attachments) {
  const auto type = attachments == 0 ? PacketType::event : PacketType::binary_event;
  return engineio::text_frame(head_of(type, kMainNamespace, ack_id, attachments), std::move(payload));
}

std::vector<engineio::Frame> encode_ack(std::string_view nsp, AckId ack_id,
                                        const std::vector<std::string_view>& arguments,
                                        const std::vector<std::string>& attachments) {
  const auto type = attachments.empty() ? PacketType::ack : PacketType::binary_ack;
  return frames_of(type, nsp, ack_id, {}, arguments, attachments);
}

std::vector<engineio::Frame> encode_result(AckId ack_id, std::string_view error, std::string result,
                                           std::vector<std::string> attachments) {
  const auto type = attachments.empty() ? PacketType::ack : PacketType::binary_ack;
  auto text = head_of(type, kMainNamespace, ack_id, attachments.size());
  text += '[';
  text += error;
  text += ',';
  result += ']';
  std::vector<engineio::Frame> frames;
  frames.reserve(1 + attachments.size());
  frames.push_back(
      engineio::text_frame(std::move(text), std::make_shared<const std::string>(std::move(result))));
  for (auto& attachment : attachments) frames.push_back(engineio::binary_frame(std::move(attachment)));
  return frames;
}

}  // namespace smaster::socketio
