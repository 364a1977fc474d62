#include "wire/engineio/client.hpp"

#include <boost/json/object.hpp>

#include "json/json.hpp"

namespace smaster::engineio {
namespace {

/// Assumed if the server sends no maxPayload: Engine.IO 4's default, in bytes.
constexpr std::int64_t kDefaultMaxPayload = 1'000'000;
constexpr std::int64_t kLongestPing = 86'400'000;

}  // namespace

void ClientSession::receive_frame(bool binary, std::string_view data, Instant now) {
  if (phase_ == Phase::ended) return;
  if (binary) {
    if (phase_ == Phase::opening) return end(CloseReason::parse_error);
    sink_.deliver(true, data);
    return;
  }
  std::string storage;
  const auto packet = decode(data, storage);
  if (!packet) return end(CloseReason::parse_error);
  receive(*packet, now);
}

void ClientSession::receive_payload(std::string_view body, Instant now) {
  PayloadReader reader(body);
  std::string storage;
  while (const auto segment = reader.next()) {
    if (phase_ == Phase::ended) return;
    const auto packet = decode(*segment, storage);
    if (!packet) return end(CloseReason::parse_error);
    receive(*packet, now);
  }
}

void ClientSession::receive(const Packet& packet, Instant now) {
  if (phase_ == Phase::opening) {
    if (packet.type != PacketType::open || !read_handshake(packet.data)) return end(CloseReason::parse_error);
    phase_ = Phase::open;
    deadline_ = now + patience_;
    sink_.opened();
    return;
  }
  switch (packet.type) {
    case PacketType::ping:
      deadline_ = now + patience_;
      sink_.transmit(text_frame(PacketType::pong));
      return;
    case PacketType::message:
      sink_.deliver(packet.binary, packet.data);
      return;
    case PacketType::close:
      return end(CloseReason::server_close);
    case PacketType::noop:
      return;
    case PacketType::open:
    case PacketType::pong:
    case PacketType::upgrade:
      return end(CloseReason::parse_error);  // the server must not send this packet in this state
  }
}

bool ClientSession::read_handshake(std::string_view text) {
  const auto value = json::parse(text);
  if (!value || !value->is_object()) return false;
  const auto& object = value->get_object();
  std::int64_t interval = -1;
  std::int64_t timeout = -1;
  std::int64_t max_payload = kDefaultMaxPayload;
  json::read(object, "sid", sid_);
  json::read(object, "pingInterval", interval);
  json::read(object, "pingTimeout", timeout);
  json::read(object, "maxPayload", max_payload);
  if (sid_.empty() || interval < 1 || interval > kLongestPing || timeout < 0 || timeout > kLongestPing ||
      max_payload < 1) {
    return false;
  }
  patience_ = Millis{interval + timeout};
  timeout_ = Millis{timeout};
  max_payload_ = static_cast<std::size_t>(max_payload);
  return true;
}

void ClientSession::send(const Frame& frame) {
  if (phase_ == Phase::open) sink_.transmit(frame);
}

void ClientSession::close() {
  if (phase_ == Phase::open) sink_.transmit(text_frame(PacketType::close));
  end(CloseReason::client_close);
}

void ClientSession::end(CloseReason reason) {
  if (phase_ == Phase::ended) return;
  phase_ = Phase::ended;
  sink_.ended(reason);
}

void ClientSession::tick(Instant now) {
  if (now >= deadline_) end(CloseReason::ping_timeout);
}

}  // namespace smaster::engineio
