#include "wire/engineio/session.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace smaster::engineio {

std::string_view to_string(CloseReason reason) {
  switch (reason) {
    case CloseReason::transport_close:
      return "transport close";
    case CloseReason::transport_error:
      return "transport error";
    case CloseReason::ping_timeout:
      return "ping timeout";
    case CloseReason::parse_error:
      return "parse error";
    case CloseReason::client_close:
      return "client closed";
    case CloseReason::server_close:
      return "server closed";
    case CloseReason::too_slow:
      return "client reads too slowly";
  }
  return "unknown";
}

Session::Session(const Options& options, Transport transport, SessionSink& sink, Instant now)
    : options_(options), sink_(sink), transport_(transport), ping_deadline_(now + options.ping_interval) {}

Frame Session::handshake(std::string_view sid) const {
  std::string json = R"({"sid":")";
  json.append(sid);
  json += transport_ == Transport::polling ? R"(","upgrades":["websocket"],"pingInterval":)"
                                           : R"(","upgrades":[],"pingInterval":)";
  json += std::to_string(options_.ping_interval.count()) + R"(,"pingTimeout":)" +
          std::to_string(options_.ping_timeout.count()) + R"(,"maxPayload":)" +
          std::to_string(options_.max_payload) + '}';
  return text_frame(PacketType::open, json);
}

Session::Answer Session::poll(Payload& payload) {
  if (transport_ != Transport::polling || phase_ == Phase::ended || overfull_) return Answer::refused;
  if (poll_waiting_) {
    answer_waiting_poll(text_frame(PacketType::close));
    end(CloseReason::transport_error);
    return Answer::refused;
  }
  if (phase_ == Phase::closing) {
    payload = take_payload();
    if (queue_.empty()) {
      payload.push_back(text_frame(PacketType::close));
      end(CloseReason::server_close);
    }
    return Answer::ok;
  }
  // During an upgrade a poll must not wait: the client sends `5` only after its last poll has been answered.
  if (queue_.empty() && probe_ == Probe::answered) queue_.push_back(text_frame(PacketType::noop));
  if (queue_.empty()) {
    poll_waiting_ = true;
    return Answer::waiting;
  }
  payload = take_payload();
  return Answer::ok;
}

void Session::poll_cancelled() {
  if (!poll_waiting_) return;
  poll_waiting_ = false;
  end(CloseReason::transport_close);
}

Session::Answer Session::post(std::string_view body, Instant now) {
  if (transport_ != Transport::polling || phase_ != Phase::open || overfull_) return Answer::refused;
  PayloadReader reader(body);
  std::string decoded;
  while (const auto segment = reader.next()) {
    const auto packet = decode(*segment, decoded);
    if (!packet) {
      end(CloseReason::parse_error);
      return Answer::refused;
    }
    if (!receive(*packet, now)) return Answer::refused;
    // A packet may have closed the session in the regular way (`1`, or the layer above): the request is still
    // valid.
    if (phase_ != Phase::open) return Answer::ok;
  }
  return Answer::ok;
}

bool Session::probe_opened(Instant now) {
  const bool can_upgrade = transport_ == Transport::polling && phase_ == Phase::open && !overfull_;
  if (!can_upgrade || probe_ != Probe::none) return false;
  probe_ = Probe::opened;
  upgrade_deadline_ = now + options_.upgrade_timeout;
  return true;
}

void Session::probe_frame(bool binary, std::string_view data) {
  if (probe_ == Probe::opened && !binary && data == "2probe") {
    probe_ = Probe::answered;
    sink_.send_frame(Channel::probe, text_frame(PacketType::pong, "probe"));
    if (poll_waiting_) answer_waiting_poll(text_frame(PacketType::noop));
    return;
  }
  if (probe_ != Probe::answered || binary || data != "5" || phase_ != Phase::open) {
    sink_.close_channel(Channel::probe);
    probe_ = Probe::none;
    return;
  }
  if (poll_waiting_) answer_waiting_poll(text_frame(PacketType::noop));
  probe_ = Probe::none;
  transport_ = Transport::websocket;
  sink_.upgraded();
  for (const auto& frame : std::exchange(queue_, {})) send_on_websocket(frame);
  queued_bytes_ = 0;
}

void Session::probe_closed() { probe_ = Probe::none; }

void Session::frame(bool binary, std::string_view data, Instant now) {
  if (phase_ != Phase::open) return;
  if (binary) {
    sink_.deliver(true, data);
    return;
  }
  std::string decoded;
  const auto packet = decode(data, decoded);
  if (packet) {
    receive(*packet, now);
  } else {
    end(CloseReason::parse_error);
  }
}

void Session::closed_by_transport(CloseReason reason) { end(reason); }

bool Session::receive(const Packet& packet, Instant now) {
  switch (packet.type) {
    case PacketType::message:
      sink_.deliver(packet.binary, packet.data);
      return true;
    case PacketType::pong:
      // One pong per ping: an unrequested pong must not postpone the next ping.
      if (awaiting_pong_) {
        awaiting_pong_ = false;
        ping_deadline_ = now + options_.ping_interval;
      }
      return true;
    case PacketType::close:
      if (poll_waiting_) answer_waiting_poll(text_frame(PacketType::noop));
      end(CloseReason::client_close);
      return true;
    case PacketType::noop:
      return true;
    case PacketType::open:
    case PacketType::ping:
    case PacketType::upgrade:
      break;  // clients must not send these in revision 4
  }
  end(CloseReason::parse_error);
  return false;
}

void Session::send(const Frame& frame) {
  if (phase_ != Phase::open || overfull_) return;
  if (transport_ == Transport::websocket) return send_on_websocket(frame);
  queue_.push_back(frame);
  queued_bytes_ += frame.held();
  if (queued_bytes_ > options_.max_queued) {
    // Not ended here, because the caller may be inside a method of the session: the next tick does it.
    overfull_ = true;
    queue_.clear();
    queued_bytes_ = 0;
    return;
  }
  flush_to_poll();
}

void Session::send_on_websocket(const Frame& frame) {
  sink_.send_frame(Channel::main, frame.binary && text_only_ ? base64_frame(frame) : frame);
}

void Session::flush_to_poll() {
  if (!poll_waiting_ || queue_.empty()) return;
  poll_waiting_ = false;
  sink_.answer_poll(take_payload());
}

void Session::answer_waiting_poll(const Frame& packet) {
  queue_.push_back(packet);
  flush_to_poll();
}

/// Takes as much of the queue as fits into one response. A packet with a source is always the last one.
Payload Session::take_payload() {
  std::size_t size = 0;
  auto end = queue_.begin();
  while (end != queue_.end() && size < options_.max_answer &&
         (end == queue_.begin() || !std::prev(end)->source)) {
    size += end->held();
    ++end;
  }
  Payload payload(std::make_move_iterator(queue_.begin()), std::make_move_iterator(end));
  queue_.erase(queue_.begin(), end);
  queued_bytes_ -= std::min(size, queued_bytes_);
  return payload;
}

void Session::close() {
  if (phase_ != Phase::open) return;
  // A polling client with no poll waiting is told at its next poll.
  if (transport_ == Transport::polling && !poll_waiting_) {
    phase_ = Phase::closing;
    return;
  }
  if (poll_waiting_) answer_waiting_poll(text_frame(PacketType::close));
  end(CloseReason::server_close);
}

void Session::end(CloseReason reason) {
  if (phase_ == Phase::ended) return;
  phase_ = Phase::ended;
  if (poll_waiting_) answer_waiting_poll(text_frame(PacketType::close));
  if (std::exchange(probe_, Probe::none) != Probe::none) sink_.close_channel(Channel::probe);
  if (transport_ == Transport::websocket) sink_.close_channel(Channel::main);
  sink_.ended(reason);
}

Instant Session::deadline() const {
  if (overfull_) return Instant::min();
  return probe_ == Probe::none ? ping_deadline_ : std::min(ping_deadline_, upgrade_deadline_);
}

void Session::tick(Instant now) {
  if (phase_ == Phase::ended) return;
  if (overfull_) return end(CloseReason::too_slow);
  if (probe_ != Probe::none && now >= upgrade_deadline_) {
    sink_.close_channel(Channel::probe);
    probe_ = Probe::none;
  }
  if (now < ping_deadline_) return;
  if (awaiting_pong_ || phase_ == Phase::closing) {
    end(phase_ == Phase::closing ? CloseReason::server_close : CloseReason::ping_timeout);
    return;
  }
  // Set before sending: the sink may call back at once.
  awaiting_pong_ = true;
  ping_deadline_ = now + options_.ping_timeout;
  send(text_frame(PacketType::ping));
}

}  // namespace smaster::engineio
