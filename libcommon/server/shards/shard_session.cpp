#include "server/shards/shard_session.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/json/object.hpp>
#include <utility>

#include "base/outlet.hpp"
#include "base/text.hpp"
#include "json/json.hpp"
#include "log/log.hpp"
#include "net/clock.hpp"
#include "server/shards/shard_event.hpp"

namespace smaster::server {
namespace {

constexpr std::size_t kMaxHostLabel = 64;
/// A shard that still sends events after this time has accepted the proof.
constexpr std::chrono::seconds kProofTaken{2};

/// Reads an agent's data in CONNECT; other shards send none.
Introduction read_introduction(std::string_view auth) {
  constexpr std::int64_t kMostIds = 1024;
  Introduction introduction;
  const auto value = json::parse(auth);
  if (!value || !value->is_object()) return introduction;
  const auto& object = value->get_object();
  std::int64_t capacity = 1;
  introduction.agent = object.contains("agent");
  json::read(object, "check", introduction.only_check);
  json::read(object, "shardsPerProcess", capacity);
  json::read(object, "host", introduction.host);
  json::read(object, "kind", introduction.kind);
  introduction.capacity = static_cast<std::uint32_t>(std::clamp<std::int64_t>(capacity, 1, kMostIds));
  for (auto* const text : {&introduction.host, &introduction.kind}) {
    *text = has_nul(*text) ? std::string() : std::string(outlet::cut(*text, kMaxHostLabel));
  }
  if (!introduction.agent) return introduction;
  introduction.holder = fleet::parse_holder(auth);
  std::int64_t user = -1;
  json::read(object, "uid", user);
  if (user >= 0) introduction.root = user == 0;
  if (const auto* const confined = object.if_contains("confined"); confined != nullptr && confined->is_bool())
    introduction.confined = confined->get_bool();
  return introduction;
}

}  // namespace

ShardSession::ShardSession(const SessionContext& context, Reservation reservation, std::string address)
    : SocketIoUpper(socketio::kConnectTimeout, context.assembly, reservation.ref.name.process(0).str()),
      context_(context),
      ref_(reservation.ref),
      reservation_(std::move(reservation)),
      address_(std::move(address)) {}

void ShardSession::opened(net::Link& link, Instant now) {
  SocketIoUpper::opened(link, now);
  since_ = now;
  open_ = true;
}

void ShardSession::receive(bool binary, std::string_view data) {
  if (open_) connection().receive(binary, data);
}

void ShardSession::closed(engineio::CloseReason reason) {
  open_ = false;
  const bool by_peer = reason == engineio::CloseReason::client_close ||
                       reason == engineio::CloseReason::transport_close ||
                       reason == engineio::CloseReason::transport_error;
  if (by_peer) left();
  // Of a connection that was refused, that was said: the shard itself may be connected all the time.
  if (said_connected_) {
    record(fleet::EventKind::disconnected, "disconnected: " + std::string(engineio::to_string(reason)));
  }
  context_.host.detach(*this);
  fail_pending();
}

void ShardSession::say(spdlog::level::level_enum level, std::string_view event,
                       const std::string& text) const {
  const auto* const shard = context_.directory.find(ref_.name);
  const auto id = shard == nullptr ? std::nullopt : std::optional(shard->info.goal.first());
  log::shard(level, {event, ref_.name.str(), id, address_}, "shard " + ref_.name.str() + ' ' + text);
}

void ShardSession::record(fleet::EventKind kind, const std::string& text) const {
  const auto whole = "shard " + ref_.name.str() + ' ' + text + " (address " + address_ + ")";
  context_.events.record(about(context_.directory, ref_.name, kind, whole), address_);
}

void ShardSession::close_session(std::string_view why) {
  say(spdlog::level::warn, "protocol", "is disconnected: " + std::string(why));
  link().close_session();
}

void ShardSession::close() {
  open_ = false;
  fail_pending();
  link().close_session();
}

/// Calls back in a later turn: the caller may iterate over shards or answers.
void ShardSession::fail_pending() {
  if (pending_.empty()) return;
  net::asio::post(context_.loop, [pending = std::exchange(pending_, {})] {
    for (const auto& [id, answer] : pending) answer(nullptr);
  });
}

void ShardSession::connected(std::string_view, std::string_view auth) {
  const auto introduction = read_introduction(auth);
  const bool only_check = introduction.only_check;
  agent_ = introduction.agent;
  auto refusal = only_check ? context_.host.refusal(ref_.name, introduction.holder)
                            : context_.host.refuse(*this, introduction.holder);
  if (!refusal && !only_check) {
    if (!reservation_) return close();  // it has left and connects again
    const auto attached =
        context_.host.attach(*this, *std::exchange(reservation_, std::nullopt), introduction.holder);
    if (!attached) {
      say(spdlog::level::warn, "handshake_refused",
          "is refused after its handshake: " + attached.error().message + " (address " + address_ + ")");
      return close();
    }
    context_.host.introduced(*this, introduction);
  }
  auto& master = context_.host.proof_for(ref_.name);
  waits_for_proof_ =
      master.get([this, only_check, refusal = std::move(refusal), &master](const Proof& proof) {
        if (!open_) return;
        shown_ = &master;
        shown_at_ = net::now();
        if (refusal) {
          // An agent shows the reason. Another program would wait for ever; once disconnected, it tries
          // again.
          if (!agent_) return close();
          return emit("masterVerification",
                      {json::quote(proof.signature), json::quote(proof.text), json::quote(*refusal)});
        }
        emit("masterVerification", {json::quote(proof.signature), json::quote(proof.text)});
        said_connected_ = true;
        record(fleet::EventKind::connected, std::string("connected") + (only_check ? " to check" : ""));
        if (only_check) return;
        context_.host.joined(*this);
      });
}

void ShardSession::disconnected(std::string_view) {
  left();
  close();
}

/// A shard that leaves right after the proof has refused it: it may trust the master's other key.
void ShardSession::left() {
  const bool at_once = net::now() <= shown_at_ + kProofTaken;
  if (shown_ != nullptr && at_once) context_.host.refused_proof(ref_.name, *shown_);
  shown_ = nullptr;
}

void ShardSession::emit(std::string_view event, const std::vector<std::string_view>& arguments) {
  if (!context_.leadership.held()) return;
  for (const auto& frame : socketio::encode_event(socketio::kMainNamespace, event, std::nullopt, arguments)) {
    send_frame(frame);
  }
}

void ShardSession::emit(std::shared_ptr<const std::string> payload) {
  if (context_.leadership.held()) send_frame(socketio::event_frame(std::nullopt, std::move(payload)));
}

socketio::AckId ShardSession::request(std::string_view event, const std::vector<std::string_view>& arguments,
                                      Answer answer) {
  return ask(socketio::event_payload(event, arguments), nullptr, std::move(answer));
}

socketio::AckId ShardSession::request(std::shared_ptr<const std::string> payload, Answer answer) {
  return ask(std::move(payload), nullptr, std::move(answer));
}

socketio::AckId ShardSession::request_with(std::string_view event,
                                           const std::vector<std::string_view>& arguments,
                                           const std::shared_ptr<engineio::FrameSource>& source,
                                           Answer answer) {
  return ask(socketio::event_payload(event, arguments), source, std::move(answer));
}

socketio::AckId ShardSession::ask(std::shared_ptr<const std::string> payload,
                                  const std::shared_ptr<engineio::FrameSource>& source, Answer answer) {
  const auto id = next_id_++;
  pending_.emplace(id, std::move(answer));
  if (!context_.leadership.held()) return id;  // the connection is about to end, and `answer` gets null then
  send_frame(socketio::event_frame(id, std::move(payload), source ? 1 : 0));
  if (source) send_frame({true, nullptr, nullptr, source});
  return id;
}

void ShardSession::acked(std::string_view, socketio::AckId ack_id, socketio::Arguments arguments) {
  const auto found = pending_.find(ack_id);
  if (found == pending_.end()) return;  // a second answer, or one that came too late
  const auto answer = std::move(found->second);
  pending_.erase(found);
  answer(&arguments);
}

void ShardSession::answer(socketio::AckId id, const std::vector<std::string_view>& arguments,
                          const std::vector<std::string>& attachments) {
  if (!context_.leadership.held()) return;
  connection().ack(socketio::kMainNamespace, id, arguments, attachments);
}

void ShardSession::answer_result(socketio::AckId id, std::string_view error, std::string result,
                                 std::vector<std::string> attachments) {
  if (!context_.leadership.held()) return;
  for (const auto& frame : socketio::encode_result(id, error, std::move(result), std::move(attachments))) {
    send_frame(frame);
  }
}

void ShardSession::event(std::string_view, std::string_view name, std::optional<socketio::AckId> ack_id,
                         socketio::Arguments arguments) {
  auto* const shard = context_.directory.find(ref_.name);
  if (shard == nullptr || shard->session != this) return;
  if (shown_ != nullptr && net::now() > shown_at_ + kProofTaken) {
    context_.host.took_proof(ref_.name, *std::exchange(shown_, nullptr));
  }
  context_.host.event(*this, *shard, name, ack_id, std::move(arguments));
}

void ShardSession::answer_with(std::optional<socketio::AckId> ack_id, const Result<void>& result) {
  if (!ack_id || !open_) return;
  answer(*ack_id, {result ? "null" : json::error(result.error().message)});
}

}  // namespace smaster::server
