#include "server/shard_session.hpp"

#include <spdlog/spdlog.h>

#include <utility>

#include "json/json.hpp"
#include "server/core.hpp"
#include "server/eval.hpp"
#include "server/respawn.hpp"

namespace smaster::server {

ShardSession::ShardSession(Core& core, ShardName name, std::string address)
    : SocketIoUpper(socketio::kConnectTimeout),
      core_(core),
      name_(std::move(name)),
      address_(std::move(address)) {}

ShardSession::~ShardSession() { *alive_ = false; }

void ShardSession::opened(net::Link& link, Instant now) {
  SocketIoUpper::opened(link, now);
  open_ = true;
  since_ = now;
  core_.fleet.attach(*this);
}

void ShardSession::receive(bool binary, std::string_view data) {
  if (open_) connection().receive(binary, data);
}

void ShardSession::closed(engineio::CloseReason reason) {
  open_ = false;
  spdlog::info("shard {} disconnected: {} (address {})", name_.str(), engineio::to_string(reason), address_);
  core_.fleet.detach(*this);
  fail_pending();
}

void ShardSession::close() {
  fail_pending();
  link().close_session();  // last: it may end this object
}

void ShardSession::fail_pending() {
  for (const auto& [id, answer] : std::exchange(pending_, {})) answer(nullptr);
}

void ShardSession::connected(std::string_view, std::string_view) {
  core_.proof.get([this, alive = alive_](const Proof& proof) {
    if (!*alive || !open_) return;
    emit("masterVerification", {json::quote(proof.signature), json::quote(proof.text)});
    spdlog::info("shard {} connected (address {})", name_.str(), address_);
    core_.fleet.joined(*this);
  });
}

void ShardSession::disconnected(std::string_view) { close(); }

void ShardSession::emit(std::string_view event, const std::vector<std::string_view>& arguments) {
  for (const auto& frame :
       socketio::Connection::encode_event(socketio::kMainNamespace, event, std::nullopt, arguments)) {
    send_frame(frame);
  }
}

socketio::AckId ShardSession::request(std::string_view event, const std::vector<std::string_view>& arguments,
                                      Answer answer) {
  const auto id = next_id_++;
  pending_.emplace(id, std::move(answer));
  for (const auto& frame :
       socketio::Connection::encode_event(socketio::kMainNamespace, event, id, arguments)) {
    send_frame(frame);
  }
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
  connection().ack(socketio::kMainNamespace, id, arguments, attachments);
}

void ShardSession::event(std::string_view, std::string_view name, std::optional<socketio::AckId> ack_id,
                         socketio::Arguments arguments) {
  auto* const shard = core_.fleet.find(name_);
  if (shard == nullptr || shard->session != this) return;
  if (name == "status") {
    if (!arguments.json.empty()) core_.fleet.status(*shard, arguments.json.front());
    return;
  }
  core_.fleet.seen(*shard);
  if (name == "broadcastEval") {
    on_broadcast_eval(ack_id, arguments);
  } else if (name == "respawnAll") {
    on_respawn_all(ack_id);
  } else {
    spdlog::warn("shard {} sent the event \"{}\", which this server does not know", name_.str(),
                 name.substr(0, 64));
    if (ack_id) answer(*ack_id, {R"("this master does not support that event")"});
  }
}

void ShardSession::on_broadcast_eval(std::optional<socketio::AckId> ack_id,
                                     const socketio::Arguments& arguments) {
  const auto script = arguments.json.empty() ? std::nullopt : json::unquote(arguments.json.front());
  if (!script) {
    if (ack_id) answer(*ack_id, {R"("broadcastEval takes a script as text")"});
    return;
  }
  broadcast_eval(core_, *script, [this, alive = alive_, ack_id](const BroadcastResult& result) {
    if (!*alive || !open_ || !ack_id) return;
    answer(*ack_id, {result.error, result.results}, result.attachments);
  });
}

void ShardSession::on_respawn_all(std::optional<socketio::AckId> ack_id) {
  spdlog::info("shard {} asks to respawn all", name_.str());
  respawn(core_, respawn_targets(core_), core_.settings.respawn_delay);
  if (ack_id) answer(*ack_id, {});
}

}  // namespace smaster::server
