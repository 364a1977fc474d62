#include "agent/requests.hpp"

#include <utility>

#include "json/json.hpp"

namespace smaster::agent {
std::size_t Demand::bytes(bool base64) const {
  std::size_t sum = kPacketOverhead;
  for (const auto& argument : arguments) sum += argument.size();
  for (const auto& attachment : attachments) {
    sum += base64 ? (attachment.size() + 2) / 3 * 4 + 2 : attachment.size();
  }
  return sum;
}

Outcome outcome_of(const socketio::Arguments& arguments) {
  const auto& values = arguments.json;
  const auto error = values.empty() ? "null" : values.front();
  if (json::truthy(error)) return error_outcome(error);
  if (values.size() < 2) return {true, "null"};
  auto inlined = socketio::inline_attachments(values[1], arguments.attachments);
  if (!inlined) return error_outcome("Error", inlined.error().message);
  return {true, std::move(*inlined)};
}

void Requests::send(Demand demand) {
  if (!uplink_.up()) {
    return demand.answer(error_outcome("Error", "not connected to the master; try again when it is back"));
  }
  if (const auto bytes = demand.bytes(uplink_.polling()); bytes > uplink_.max_payload()) {
    return demand.answer(error_outcome(
        "Error", std::to_string(bytes) + " bytes are more than the master takes in one message (" +
                     std::to_string(uplink_.max_payload()) + "; its [limits] max_payload)"));
  }
  const std::vector<std::string_view> arguments(demand.arguments.begin(), demand.arguments.end());
  uplink_.request(
      demand.event, arguments, demand.attachments, demand.timeout,
      [answer = std::move(demand.answer)](const socketio::Arguments* reply, std::string_view why) {
        answer(reply != nullptr
                   ? outcome_of(*reply)
                   : error_outcome("Error", std::string(why) + "; it may or may not have been done"));
      });
}

void Requests::send_or_keep(Demand demand) {
  if (uplink_.up()) return send(std::move(demand));
  const auto bytes = demand.bytes();
  if (waiting_.size() >= kMaxWaiting || waiting_bytes_ + bytes > kMaxWaitingBytes) {
    return demand.answer(
        error_outcome("Error", "not connected to the master, and too many requests wait for it"));
  }
  waiting_bytes_ += bytes;
  waiting_.push_back(std::move(demand));
}

void Requests::connected() {
  waiting_bytes_ = 0;
  for (auto& demand : std::exchange(waiting_, {})) send(std::move(demand));
}

}  // namespace smaster::agent
