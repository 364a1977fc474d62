#include "net/engineio/session.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <exception>
#include <utility>

#include "net/clock.hpp"
#include "net/engineio/server.hpp"

namespace smaster::net {

EngineSession::EngineSession(EngineServer& server, std::string sid, engineio::Transport transport,
                             std::unique_ptr<Upper> upper, Instant now)
    : server_(server),
      sid_(std::move(sid)),
      upper_(std::move(upper)),
      session_(server.options().engine, transport, *this, now) {}

void EngineSession::attach_main(std::shared_ptr<WebSocketLink> link) {
  main_ = std::move(link);
  main_->start(weak_from_this());
  main_->send(session_.handshake(sid_));
}

void EngineSession::attach_probe(std::shared_ptr<WebSocketLink> link) {
  if (!session_.probe_opened(Clock::now())) {
    link->start({});
    link->close();
    return;
  }
  probe_ = std::move(link);
  probe_->start(weak_from_this());
  server_.schedule(*this);
}

engineio::Session::Answer EngineSession::poll(WaitingPoll& poll, engineio::Payload& payload) {
  const auto answer = session_.poll(payload);
  if (answer == engineio::Session::Answer::waiting) poll_ = &poll;
  return answer;
}

void EngineSession::poll_gone() {
  poll_ = nullptr;
  session_.poll_cancelled();
}

engineio::Session::Answer EngineSession::post(std::string_view body, Instant now) {
  return session_.post(body, now);
}

Instant EngineSession::deadline() const {
  const auto above = upper_->deadline();
  return above ? std::min(*above, session_.deadline()) : session_.deadline();
}

void EngineSession::tick(Instant now) {
  session_.tick(now);
  if (const auto above = upper_->deadline(); above && now >= *above && !session_.ended()) upper_->tick(now);
}

void EngineSession::deliver(bool binary, std::string_view data) {
  if (closing_) return;
  try {
    upper_->receive(binary, data);
  } catch (const std::exception& error) {
    spdlog::error(
        "a client's message of {} bytes failed in a way that should not happen: {}; its session is closed",
        data.size(), error.what());
    close_session();
  }
  if (!session_.ended()) server_.schedule(*this);  // the layer above may need an earlier tick now
}

void EngineSession::answer_poll(engineio::Payload payload) {
  if (auto* const poll = std::exchange(poll_, nullptr)) {
    poll->payload = std::move(payload);
    poll->wake.notify();
  }
}

void EngineSession::send_frame(const engineio::Frame& frame) {
  if (closing_) return;
  session_.send(frame);
  if (session_.overfull()) server_.schedule(*this);
}

/// Posted, because the caller may be inside a method of this session.
void EngineSession::close_session() {
  if (std::exchange(closing_, true)) return;
  asio::post(server_.executor(), [self = shared_from_this()] { self->session_.close(); });
}

void EngineSession::send_frame(engineio::Channel channel, const engineio::Frame& frame) {
  const auto& link = channel == engineio::Channel::main ? main_ : probe_;
  if (link) link->send(frame);
}

void EngineSession::close_channel(engineio::Channel channel) {
  auto& link = channel == engineio::Channel::main ? main_ : probe_;
  if (link) std::exchange(link, nullptr)->close();
}

void EngineSession::ended(engineio::CloseReason reason) {
  const auto alive = shared_from_this();
  server_.forget(sid_);
  upper_->closed(reason);
}

void EngineSession::websocket_frame(WebSocketLink& link, bool binary, std::string_view data) {
  if (&link == main_.get()) {
    session_.frame(binary, data, Clock::now());
  } else if (&link == probe_.get()) {
    session_.probe_frame(binary, data);
  }
}

void EngineSession::websocket_closed(WebSocketLink& link, engineio::CloseReason reason) {
  if (&link == main_.get()) {
    main_.reset();
    session_.closed_by_transport(reason);
  } else if (&link == probe_.get()) {
    probe_.reset();
    session_.probe_closed();
  }
}

}  // namespace smaster::net
