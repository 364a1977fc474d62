// Socket.IO on top of an Engine.IO session: connects the two state machines. A subclass handles the events.
#pragma once

#include <spdlog/spdlog.h>

#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include "crypto/keys.hpp"
#include "net/clock.hpp"
#include "net/engineio/application.hpp"
#include "wire/socketio/connection.hpp"

namespace smaster::net {

class SocketIoUpper : public Upper, public socketio::ConnectionSink {
 public:
  explicit SocketIoUpper(Millis connect_timeout) : connect_timeout_(connect_timeout) {}
  /// The same with a limit on the memory of incomplete packets; `budget` must live until `opened`.
  SocketIoUpper(Millis connect_timeout, const socketio::AssemblyBudget& budget, std::string key)
      : connect_timeout_(connect_timeout), budget_(&budget), key_(std::move(key)) {}

  void opened(Link& link, Instant now) override {
    link_ = &link;
    if (budget_ == nullptr) {
      connection_.emplace(*this, now + connect_timeout_);
    } else {
      connection_.emplace(*this, now + connect_timeout_, *budget_, std::move(key_));
    }
  }
  void receive(bool binary, std::string_view data) override {
    connection_->receive(binary, data);
    if (connection_->needs_deadline()) {
      connection_->complete_by(Clock::now() + socketio::kAssemblyTimeout);
    }
  }
  [[nodiscard]] std::optional<Instant> deadline() const override { return connection_->deadline(); }
  void tick(Instant now) override { connection_->tick(now); }

  void send_frame(const engineio::Frame& frame) override { link_->send_frame(frame); }
  void close_session(std::string_view why) override {
    spdlog::debug("session closed: {}", why);
    link_->close_session();
  }
  std::string new_sid() override { return crypto::random_token(15); }

 protected:
  [[nodiscard]] socketio::Connection& connection() { return *connection_; }
  [[nodiscard]] Link& link() { return *link_; }

 private:
  Millis connect_timeout_;
  const socketio::AssemblyBudget* budget_ = nullptr;
  std::string key_;
  Link* link_ = nullptr;
  std::optional<socketio::Connection> connection_;
};

}  // namespace smaster::net
