// Socket.IO on top of an Engine.IO session: joins the two state machines. What the events mean is a
// subclass's.
#pragma once

#include <spdlog/spdlog.h>

#include <optional>

#include "crypto/keys.hpp"
#include "net/application.hpp"
#include "wire/socketio/connection.hpp"

namespace smaster::net {

class SocketIoUpper : public Upper, public socketio::ConnectionSink {
 public:
  explicit SocketIoUpper(Millis connect_timeout) : connect_timeout_(connect_timeout) {}

  void opened(Link& link, Instant now) override {
    link_ = &link;
    connection_.emplace(*this, now + connect_timeout_);
  }
  void receive(bool binary, std::string_view data) override { connection_->receive(binary, data); }
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
  Link* link_ = nullptr;
  std::optional<socketio::Connection> connection_;
};

}  // namespace smaster::net
