#include "wire/socketio/client.hpp"

#include <utility>

namespace smaster::socketio {

void Client::open(std::string_view auth) {
  sink_.send_frame(engineio::text_frame(engineio::PacketType::message,
                                        encode(PacketType::connect, kMainNamespace, std::nullopt, auth)));
}

void Client::receive(bool binary, std::string_view data) {
  if (phase_ == Phase::failed) return;
  auto whole = assembler_.receive(binary, data);
  if (!whole) return fail(whole.error().message);
  if (!*whole || (*whole)->packet.nsp != kMainNamespace) return;  // other namespaces are not used
  dispatch((*whole)->packet, std::move((*whole)->attachments));
}

void Client::fail(std::string_view why) {
  phase_ = Phase::failed;
  sink_.close_session(why);
}

void Client::dispatch(const Packet& packet, std::vector<std::string> attachments) {
  switch (packet.type) {
    case PacketType::connect:
      if (phase_ == Phase::joined) return fail("the server answered CONNECT twice");
      phase_ = Phase::joined;
      sink_.joined();
      return;
    case PacketType::connect_error:
      return fail("the server refused CONNECT: " + std::string(packet.json.substr(0, 200)));
    case PacketType::disconnect:
      return fail("the server ended the connection");
    case PacketType::event:
    case PacketType::binary_event:
    case PacketType::ack:
    case PacketType::binary_ack:
      break;
  }
  if (phase_ != Phase::joined) return fail("the server sent an event before it answered CONNECT");
  Arguments arguments{packet.arguments.values, std::move(attachments), packet.arguments.names};
  if (packet.type == PacketType::ack || packet.type == PacketType::binary_ack) {
    sink_.acked(*packet.ack_id, std::move(arguments));
  } else {
    const auto name = take_event_name(arguments.json);
    sink_.event(name, packet.ack_id, std::move(arguments));
  }
}

}  // namespace smaster::socketio
