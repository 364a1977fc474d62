#include "server/admission/reception.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/json/object.hpp>
#include <utility>

#include "base/text.hpp"
#include "json/json.hpp"

namespace smaster::server {
namespace {

/// The [permissions] setting that forbids this event; nullopt: it is allowed.
std::optional<std::string_view> forbidden(const Permissions& may, std::string_view event) {
  const struct {
    std::string_view event;
    bool allowed;
    std::string_view setting;
  } kinds[] = {{"broadcastEval", may.eval, "eval"}, {"fetchClientValues", may.eval, "eval"},
               {"sendMessage", may.eval, "eval"},   {"sendSQL", may.sql, "sql"},
               {"writeFile", may.files, "files"},   {"getFile", may.files, "files"},
               {"reboot", may.reboot, "reboot"},    {"respawnAll", may.reboot, "reboot"}};
  for (const auto& kind : kinds) {
    if (kind.event == event && !kind.allowed) return kind.setting;
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> Reception::refusal(const ShardName& name, const fleet::Holder& claimant) {
  return parts_.attendance.refusal(name, claimant);
}

std::optional<std::string> Reception::refuse(const ShardSession& session, const fleet::Holder& claimant) {
  return parts_.attendance.refuse(session, claimant);
}

Result<void> Reception::attach(ShardSession& session, Reservation reservation, fleet::Holder claimant) {
  auto attached = parts_.attendance.attach(session, std::move(reservation), std::move(claimant));
  if (!attached) ++parts_.metrics.handshakes["revoked"];
  return attached;
}

void Reception::introduced(ShardSession& session, const Introduction& introduction) {
  parts_.attendance.introduced(session, introduction);
}

MasterProof& Reception::proof_for(const ShardName& name) { return parts_.rotation.proof_for(name); }

void Reception::took_proof(const ShardName& name, const MasterProof& proof) {
  parts_.rotation.stayed(name, proof);
}

void Reception::refused_proof(const ShardName& name, const MasterProof& proof) {
  parts_.rotation.left(name, proof);
}

void Reception::joined(ShardSession& session) {
  parts_.attendance.joined(session);
  parts_.rotation.announce(session);
  if (is_there) is_there(session);
}

void Reception::detach(ShardSession& session) {
  parts_.attendance.detach(session);
  if (has_left) has_left(session);
}

void Reception::event(ShardSession& session, Shard& shard, std::string_view name,
                      std::optional<socketio::AckId> ack_id, socketio::Arguments arguments) {
  if (name == "status") {
    ++parts_.metrics.statuses;
    if (!arguments.json.empty()) parts_.attendance.status(shard, arguments.json.front(), arguments.names);
    return;
  }
  parts_.attendance.seen(shard);
  if (const auto setting = forbidden(parts_.settings.permissions, name)) {
    const auto why = "shards may not do that here: [permissions] " + std::string(*setting) + " = false";
    session.say(spdlog::level::warn, "forbidden", "asks for " + std::string(name) + "; " + why);
    return session.answer_with(ack_id, fail(ErrorKind::not_permitted, why));
  }
  if (name == "lease") {
    const auto term = arguments.json.empty() ? std::nullopt : parse_int<std::int64_t>(arguments.json.front());
    parts_.attendance.extend_lease(shard, fleet::clamp_term(term.value_or(0)));
    if (ack_id) session.answer(*ack_id, {"null"});
  } else if (name == "leave" && session.is_agent()) {
    parts_.attendance.leave(shard);
  } else if (name == "identify") {
    on_identify(session, shard, ack_id, arguments);
  } else if (name == "login") {
    on_login(shard, arguments);
  } else if (!requested || !requested(session, shard, name, ack_id, arguments)) {
    session.say(
        spdlog::level::warn, "unknown_event",
        "sent the event \"" + std::string(name.substr(0, 64)) + "\", which this server does not know");
    if (ack_id) session.answer(*ack_id, {R"("this master does not support that event")"});
  }
}

/// An agent's `identify`. Without arguments: may it restart a bot that died? With {id, ask}: its bot requests
/// a login permit.
void Reception::on_identify(ShardSession& session, Shard& shard, std::optional<socketio::AckId> ack_id,
                            const socketio::Arguments& arguments) {
  if (arguments.json.empty()) {
    if (ack_id) parts_.sender.may_start(shard, *ack_id);
    return;
  }
  const auto value = json::parse(arguments.json.front());
  if (!value || !value->is_object()) return;
  ShardId id;
  std::int64_t ask = 0;
  json::read(value->get_object(), "id", id);
  json::read(value->get_object(), "ask", ask);
  const bool limited = parts_.sender.identify().limits().has_value();
  const bool waits = ask <= 0 || parts_.sender.ask_login(shard, id, static_cast<std::uint64_t>(ask));
  if (!limited && parts_.sender.identify().limits()) {
    spdlog::warn(
        "bots ask to log in, and Discord has not said how many may at once: one may every {}, until "
        "[shards] token_file or token_env has the bot's token and Discord answers",
        format_duration(fleet::kIdentifyInterval));
  }
  if (waits) return;
  session.emit("permit", {R"({"id":)" + std::to_string(id.value) + R"(,"ask":)" + std::to_string(ask) +
                          R"(,"error":"shard )" + std::to_string(id.value) + R"( is not to run here"})"});
}

/// An agent's report about a login of its bot.
void Reception::on_login(Shard& shard, const socketio::Arguments& arguments) {
  constexpr std::int64_t kLongest = 60'000;
  const auto value = arguments.json.empty() ? Result<boost::json::value>(fail(ErrorKind::bad_data, "nothing"))
                                            : json::parse(arguments.json.front());
  if (!value || !value->is_object()) return;
  const auto& object = value->get_object();
  std::string word;
  std::int64_t ask = 0;
  std::int64_t ago = 0;
  ShardId id;
  json::read(object, "event", word);
  json::read(object, "id", id);
  json::read(object, "ask", ask);
  json::read(object, "ago", ago);
  const auto event = fleet::parse_login_event(word);
  if (!event || ask < 0) return;
  parts_.sender.login(shard, {*event, id, static_cast<std::uint64_t>(ask)},
                      Millis{std::clamp<std::int64_t>(ago, 0, kLongest)});
}

}  // namespace smaster::server
