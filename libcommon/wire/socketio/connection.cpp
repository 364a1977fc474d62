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
  sink_.close_session(why);
}

void Connection::receive(bool binary, std::string_view data) {
  if (failed_) return;
  auto whole = assembler_.receive(binary, data);
  if (!assembler_.incomplete()) assembly_deadline_.reset();
  if (!whole) return fail(whole.error().message);
  if (!*whole) return;
  auto& packet = (*whole)->packet;
  if (packet.type == PacketType::connect) return connect(packet);
  if (packet.type == PacketType::connect_error) return fail("CONNECT_ERROR is not for clients to send");
  if (!joined(packet.nsp)) return fail("a packet for a namespace that was not joined");
  dispatch(std::move(packet), std::move((*whole)->attachments));
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

void Connection::dispatch(Packet packet, std::vector<std::string> attachments) {
  Arguments arguments{std::move(packet.arguments.values), std::move(attachments),
                      std::move(packet.arguments.names)};
  switch (packet.type) {
    case PacketType::disconnect:
      std::erase(namespaces_, packet.nsp);
      sink_.disconnected(packet.nsp);
      return;
    case PacketType::event:
    case PacketType::binary_event: {
      const auto name = take_event_name(arguments.json);
      sink_.event(packet.nsp, name, packet.ack_id, std::move(arguments));
      return;
    }
    case PacketType::ack:
    case PacketType::binary_ack:
      sink_.acked(packet.nsp, *packet.ack_id, std::move(arguments));
      return;
    case PacketType::connect:
    case PacketType::connect_error:
      return;  // handled in receive()
  }
}

void Connection::ack(std::string_view nsp, AckId ack_id, const std::vector<std::string_view>& arguments,
                     const std::vector<std::string>& attachments) {
  for (const auto& frame : encode_ack(nsp, ack_id, arguments, attachments)) sink_.send_frame(frame);
}

void Connection::tick(Instant now) {
  if (connect_deadline_ && now >= *connect_deadline_) {
    connect_deadline_.reset();
    return fail("no namespace was joined in time");
  }
  if (assembly_deadline_ && now >= *assembly_deadline_) {
    assembly_deadline_.reset();
    fail("a packet's attachments did not come in time");
  }
}

}  // namespace smaster::socketio
