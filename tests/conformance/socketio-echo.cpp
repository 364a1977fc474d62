// Answers as the Socket.IO protocol's public suite expects: `auth` on connection to `/` and `/custom`, and in
// `/` `message-back` to `message` and an ack to `message-with-ack`.
#include "conformance/echo_main.hpp"
#include "net/engineio/socketio_upper.hpp"

namespace {

using namespace smaster;
using socketio::Connection;

constexpr Millis kConnectTimeout{1000};
/// Between the answer to a CONNECT and `auth`. The suite's client waits for one message at a time and loses a
/// second one that arrives in the same read, whichever server it talks to.
constexpr Millis kAuthDelay{20};

class SocketEcho final : public net::SocketIoUpper {
 public:
  SocketEcho() : SocketIoUpper(kConnectTimeout) {}
  [[nodiscard]] bool has_namespace(std::string_view nsp) const override {
    return nsp == "/" || nsp == "/custom";
  }
  void connected(std::string_view nsp, std::string_view auth) override {
    auth_due_ = std::chrono::steady_clock::now() + kAuthDelay;
    auths_.push_back(socketio::encode_event(nsp, "auth", std::nullopt, {auth}).front());
  }
  [[nodiscard]] std::optional<Instant> deadline() const override {
    return auths_.empty() ? SocketIoUpper::deadline() : auth_due_;
  }
  void tick(Instant now) override {
    SocketIoUpper::tick(now);
    if (now < auth_due_) return;
    for (const auto& frame : std::exchange(auths_, {})) send_frame(frame);
  }
  void disconnected(std::string_view) override {}
  void event(std::string_view nsp, std::string_view name, std::optional<socketio::AckId> ack_id,
             socketio::Arguments arguments) override {
    if (nsp != socketio::kMainNamespace) return;
    if (name == "message") {
      for (const auto& frame :
           socketio::encode_event(nsp, "message-back", std::nullopt, arguments.json, arguments.attachments)) {
        send_frame(frame);
      }
    } else if (name == "message-with-ack" && ack_id) {
      connection().ack(nsp, *ack_id, arguments.json, arguments.attachments);
    }
  }
  void acked(std::string_view, socketio::AckId, socketio::Arguments) override {}
  void closed(engineio::CloseReason) override {}

 private:
  Instant auth_due_;
  std::vector<engineio::Frame> auths_;
};

}  // namespace

int main(int argc, char** argv) {
  return conformance::serve_echo(argc, argv, "/socket.io/", []() -> std::unique_ptr<net::Upper> {
    return std::make_unique<SocketEcho>();
  });
}
