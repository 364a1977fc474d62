// One Engine.IO session between its state machine, its transports and the layer above.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "net/application.hpp"
#include "net/websocket_link.hpp"
#include "wire/engineio/session.hpp"

namespace smaster::net {

class EngineServer;

/// A GET that waits for packets; lives in its connection's coroutine.
struct WaitingPoll {
  explicit WaitingPoll(const Executor& executor) : wake(executor) {}
  Timer wake;  ///< cancelled when `payload` is there or the client is gone
  std::optional<engineio::Payload> payload;
};

class EngineSession final : public engineio::SessionSink,
                            public Link,
                            public WebSocketOwner,
                            public std::enable_shared_from_this<EngineSession> {
 public:
  EngineSession(EngineServer& server, std::string sid, engineio::Transport transport,
                std::unique_ptr<Upper> upper, Instant now);

  /// A websocket that opens the session, or one that carries its sid and may upgrade it.
  void attach_main(std::shared_ptr<WebSocketLink> link);
  void attach_probe(std::shared_ptr<WebSocketLink> link);
  /// Tells the layer above, once there is something to send on.
  void open(Instant now) { upper_->opened(*this, now); }

  /// A GET: `ok` and `payload`, or `refused`, or `waiting` until `poll` is woken.
  [[nodiscard]] engineio::Session::Answer poll(WaitingPoll& poll, engineio::Payload& payload);
  void poll_gone();
  [[nodiscard]] engineio::Session::Answer post(std::string_view body, Instant now);

  /// A POST whose body is being read; there is one at a time.
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
  Instant scheduled = Instant::max();  ///< when the server will look at `deadline` next

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
  bool closing_ = false;  ///< asked for; nothing more is sent or delivered
  WaitingPoll* poll_ = nullptr;
  bool posting_ = false;
  std::shared_ptr<WebSocketLink> main_;
  std::shared_ptr<WebSocketLink> probe_;
};

}  // namespace smaster::net
