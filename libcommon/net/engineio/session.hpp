// One Engine.IO session: connects its state machine, its transports and the layer above.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "net/engineio/application.hpp"
#include "net/engineio/websocket_link.hpp"
#include "net/event.hpp"
#include "wire/engineio/session.hpp"

namespace smaster::net {

class EngineServer;

/// A GET that waits for packets. Lives in the coroutine of its connection.
struct WaitingPoll {
  explicit WaitingPoll(const Executor& executor) : wake(executor) {}
  Event wake;  ///< `payload` is set, or the client has disconnected
  std::optional<engineio::Payload> payload;
};

class EngineSession final : public engineio::SessionSink,
                            public Link,
                            public WebSocketOwner,
                            public std::enable_shared_from_this<EngineSession> {
 public:
  EngineSession(EngineServer& server, std::string sid, engineio::Transport transport,
                std::unique_ptr<Upper> upper, Instant now);

  /// attach_main: the websocket that opened the session. attach_probe: one with an existing sid, which may
  /// become an upgrade.
  void attach_main(std::shared_ptr<WebSocketLink> link);
  void attach_probe(std::shared_ptr<WebSocketLink> link);
  /// Calls Upper::opened, once the session has a transport.
  void open(Instant now) { upper_->opened(*this, now); }

  /// Handles a GET. Result: `ok` with `payload`, or `refused`, or `waiting` until `poll.wake`.
  [[nodiscard]] engineio::Session::Answer poll(WaitingPoll& poll, engineio::Payload& payload);
  void poll_gone();
  [[nodiscard]] engineio::Session::Answer post(std::string_view body, Instant now);

  /// Marks that the body of a POST is being read; only one at a time is allowed.
  class Posting {
   public:
    explicit Posting(std::shared_ptr<EngineSession> session) : session_(std::move(session)) {
      session_->posting_ = true;
    }
    Posting(Posting&&) = default;
    Posting& operator=(Posting&&) = default;
    ~Posting() {
      if (session_) session_->posting_ = false;
    }

   private:
    std::shared_ptr<EngineSession> session_;
  };
  [[nodiscard]] std::optional<Posting> begin_post() {
    return posting_ ? std::nullopt : std::optional<Posting>(shared_from_this());
  }

  [[nodiscard]] Instant deadline() const;
  void tick(Instant now);

  [[nodiscard]] const std::string& sid() const { return sid_; }
  [[nodiscard]] engineio::Session& state() { return session_; }
  Instant scheduled = Instant::max();  ///< when the server checks `deadline` next

  // engineio::SessionSink
  void deliver(bool binary, std::string_view data) override;
  void answer_poll(engineio::Payload payload) override;
  void send_frame(engineio::Channel channel, const engineio::Frame& frame) override;
  void close_channel(engineio::Channel channel) override;
  void upgraded() override { main_ = std::move(probe_); }
  void ended(engineio::CloseReason reason) override;

  // Link
  void send_frame(const engineio::Frame& frame) override;
  void close_session() override;

  // WebSocketOwner
  void websocket_frame(WebSocketLink& link, bool binary, std::string_view data) override;
  void websocket_closed(WebSocketLink& link, engineio::CloseReason reason) override;

 private:
  EngineServer& server_;
  std::string sid_;
  std::unique_ptr<Upper> upper_;
  engineio::Session session_;
  bool closing_ = false;  ///< closing was requested: nothing more is sent or delivered
  WaitingPoll* poll_ = nullptr;
  bool posting_ = false;
  std::shared_ptr<WebSocketLink> main_;
  std::shared_ptr<WebSocketLink> probe_;
};

}  // namespace smaster::net
