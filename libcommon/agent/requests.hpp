// Requests of a bot to the master. Sent at once while connected. Otherwise SQL and file requests are queued
// up to a limit, and all others fail.
#pragma once

#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "agent/bot/channel.hpp"
#include "agent/uplink.hpp"

namespace smaster::agent {

/// An event to the master that expects `(error|null, result)`.
struct Demand {
  std::string event;
  std::vector<std::string> arguments;  ///< JSON
  std::vector<std::string> attachments;
  Millis timeout{};
  std::function<void(const Outcome&)> answer;

  [[nodiscard]] std::size_t bytes(bool base64 = false) const;
};

class Requests {
 public:
  /// Limits of the queue while disconnected.
  static constexpr std::size_t kMaxWaiting = 1'000;
  static constexpr std::size_t kMaxWaitingBytes = 32u << 20;

  explicit Requests(Uplink& uplink) : uplink_(uplink) {}

  /// Sends the request; without a connection, or if it is too large for the master, fails it before
  /// returning.
  void send(Demand demand);
  /// Sends the request, or queues it until there is a connection; fails it if the queue is full.
  void send_or_keep(Demand demand);
  /// There is a connection: sends the queue in order.
  void connected();

 private:
  Uplink& uplink_;
  std::deque<Demand> waiting_;
  std::size_t waiting_bytes_ = 0;
};

/// The outcome in the master's `(error|null, result)`.
[[nodiscard]] Outcome outcome_of(const socketio::Arguments& arguments);

}  // namespace smaster::agent
