// What a bot asks of the master, on its way there: sent at once while the connection stands; otherwise SQL
// and files wait for it, up to a limit, and the rest fails with a clear error.
#pragma once

#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "agent/bot/channel.hpp"
#include "agent/uplink.hpp"

namespace smaster::agent {

/// What a packet has around its arguments and attachments, in bytes, at most.
inline constexpr std::size_t kPacketOverhead = 256;

/// An event for the master that wants `(error|null, result)` back.
struct Demand {
  std::string event;
  std::vector<std::string> arguments;  ///< JSON
  std::vector<std::string> attachments;
  Millis timeout{};
  std::function<void(const Outcome&)> answer;

  [[nodiscard]] std::size_t bytes() const;
};

class Requests {
 public:
  /// What may wait while there is no connection.
  static constexpr std::size_t kMaxWaiting = 1'000;
  static constexpr std::size_t kMaxWaitingBytes = 32u << 20;

  explicit Requests(Uplink& uplink) : uplink_(uplink) {}

  /// Sends it, or fails it when there is no connection.
  void send(Demand demand);
  /// Sends it, or keeps it until there is a connection.
  void send_or_keep(Demand demand);
  /// There is a connection: sends what waits, in order.
  void connected();

 private:
  Uplink& uplink_;
  std::deque<Demand> waiting_;
  std::size_t waiting_bytes_ = 0;
};

/// What the master's `(error|null, result)` says.
[[nodiscard]] Outcome outcome_of(const socketio::Arguments& arguments);

}  // namespace smaster::agent
