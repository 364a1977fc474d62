#include "wire/socketio/connection.hpp"

#include <algorithm>
#include <utility>

#include "json/json.hpp"

namespace smaster::socketio {
namespace {

engineio::Frame message(std::string_view packet) {
  return engineio::text_frame(engineio::PacketType::message, packet);
}

}  // namespace

bool Connection::joined(std::string_view nsp) const {
  return std::find(namespaces_.begin(), namespaces_.end(), nsp) != namespaces_.end();
}

void Connection::fail(std::string_view why) {
  failed_ = true;
  partial_.reset();
  sink_.close_session(why);
}

void Connection::receive(bool binary, std::string_view data) {
  if (failed_) return;
  if (binary) {
    if (!partial_) return fail("a binary message that belongs to no packet");
    partial_->attachments.emplace_back(data);
    if (partial_->attachments.size() == partial_->expected) complete_partial();
    return;
  }
  if (partial_) return fail("a packet came before the last one's attachments");
  const auto packet = decode(data);
  if (!packet) return fail(packet.error().message);

  if (packet->type == PacketType::connect) return connect(*packet);
  if (!joined(packet->nsp)) return fail("a packet for a namespace that was not joined");
  if (packet->attachments > 0) {
    if (!shift_placeholders(packet->json, packet->attachments, 0)) {
      return fail("a placeholder names no attachment");
    }
    partial_ = Partial{std::string(data), packet->attachments, {}};
    return;
  }
  dispatch(*packet, {});
}

void Connection::complete_partial() {
  const auto partial = *std::exchange(partial_, std::nullopt);
  dispatch(*decode(partial.text), partial.attachments);
}

void Connection::connect(const Packet& packet) {
  if (joined(packet.nsp)) return fail("a second CONNECT for one namespace");
  if (!sink_.has_namespace(packet.nsp)) {
    sink_.send_frame(message(
        encode(PacketType::connect_error, packet.nsp, std::nullopt, R"({"message":"Invalid namespace"})")));
    return;
  }
  connect_deadline_.reset();
  const std::string nsp(packet.nsp);
  namespaces_.push_back(nsp);
  sink_.send_frame(message(
      encode(PacketType::connect, nsp, std::nullopt, R"({"sid":)" + json::quote(sink_.new_sid()) + '}')));
  sink_.connected(nsp, packet.json.empty() ? "{}" : packet.json);
}

void Connection::dispatch(const Packet& packet, std::vector<std::string> attachments) {
  switch (packet.type) {
    case PacketType::disconnect:
      std::erase(namespaces_, packet.nsp);
      sink_.disconnected(packet.nsp);
      return;
    case PacketType::event:
    case PacketType::binary_event: {
      Arguments arguments{packet.arguments, std::move(attachments)};
      const auto name = json::unquote(arguments.json.front()).value_or(std::string(arguments.json.front()));
      arguments.json.erase(arguments.json.begin());
      sink_.event(packet.nsp, name, packet.ack_id, std::move(arguments));
      return;
    }
    case PacketType::ack:
    case PacketType::binary_ack:
      sink_.acked(packet.nsp, *packet.ack_id, {packet.arguments, std::move(attachments)});
      return;
    case PacketType::connect:
    case PacketType::connect_error:
      return;  // connect() and decode() have dealt with them
  }
}

std::vector<engineio::Frame> Connection::encode_event(std::string_view nsp, std::string_view name,
                                                      std::optional<AckId> ack_id,
                                                      const std::vector<std::string_view>& arguments,
                                                      const std::vector<std::string>& attachments) {
  const auto quoted = json::quote(name);
  std::vector<std::string_view> elements{quoted};
  elements.insert(elements.end(), arguments.begin(), arguments.end());
  const auto type = attachments.empty() ? PacketType::event : PacketType::binary_event;
  std::vector<engineio::Frame> frames{
      message(encode(type, nsp, ack_id, join_array(elements), attachments.size()))};
  for (const auto& attachment : attachments) frames.push_back(engineio::binary_frame(attachment));
  return frames;
}

void Connection::ack(std::string_view nsp, AckId ack_id, const std::vector<std::string_view>& arguments,
                     const std::vector<std::string>& attachments) {
  const auto type = attachments.empty() ? PacketType::ack : PacketType::binary_ack;
  sink_.send_frame(message(encode(type, nsp, ack_id, join_array(arguments), attachments.size())));
  for (const auto& attachment : attachments) sink_.send_frame(engineio::binary_frame(attachment));
}

void Connection::tick(Instant now) {
  if (!connect_deadline_ || now < *connect_deadline_) return;
  connect_deadline_.reset();
  fail("no namespace was joined in time");
}

}  // namespace smaster::socketio
