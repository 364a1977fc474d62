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
#include "server/process/core.hpp"
#include "server/requests/messages.hpp"
#include "server/requests/reboot.hpp"
#include "server/requests/respawn.hpp"

namespace smaster::server {
namespace {

constexpr std::size_t kMaxHostLabel = 64;
/// After that, a shard that still talks to us has taken our proof.
constexpr std::chrono::seconds kProofTaken{2};

/// The setting that forbids shards this event, if one does.
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

/// What an agent says of itself; other shards say nothing.
struct Introduction {
  bool agent = false;
  bool only_check = false;
  std::uint32_t capacity = 1;
  std::string host;
  std::string kind;  ///< of its bot
  fleet::Holder holder;
};

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
  if (introduction.agent) introduction.holder = fleet::parse_holder(auth);
  return introduction;
}

net::Task<> reboot_for_shard(Core& core, Reboot request) { (void)co_await reboot(core, std::move(request)); }

/// A shard broadcasts an update: first it is made here, as `smaster update` does.
net::Task<> update_all(Core& core, std::string script, OnBroadcast then) {
  net::OnLine nowhere = [](net::Output, std::string_view) {};
  const auto updated = co_await core.update.run(std::move(nowhere));
  if (!updated) {
    spdlog::error("update: {}; the shards are not updated", updated.error().message);
    then({json::error("the master's own update: " + updated.error().message), "null", {}});
    co_return;
  }
  broadcast_eval(core, Question::eval(script), std::move(then), core.settings.update_timeout);
}

}  // namespace

ShardSession::ShardSession(Core& core, Reservation reservation, std::string address)
    : SocketIoUpper(socketio::kConnectTimeout, core.assembly, reservation.ref.name.process(0).str()),
      core_(core),
      ref_(reservation.ref),
      reservation_(std::move(reservation)),
      address_(std::move(address)) {}

ShardSession::~ShardSession() { *alive_ = false; }

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
  say(spdlog::level::info, "disconnected",
      "disconnected: " + std::string(engineio::to_string(reason)) + " (address " + address_ + ")");
  core_.fleet.detach(*this);
  fail_pending();
}

/// A line of the log about this shard.
void ShardSession::say(spdlog::level::level_enum level, std::string_view event,
                       const std::string& text) const {
  const auto* const shard = core_.fleet.find(ref_.name);
  const auto id = shard == nullptr ? std::nullopt : std::optional(shard->info.goal.first());
  log::shard(level, {event, ref_.name.str(), id, address_}, "shard " + ref_.name.str() + ' ' + text);
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

/// Not from inside the caller, which may go through shards or answers.
void ShardSession::fail_pending() {
  if (pending_.empty()) return;
  net::asio::post(core_.context, [pending = std::exchange(pending_, {})] {
    for (const auto& [id, answer] : pending) answer(nullptr);
  });
}

void ShardSession::connected(std::string_view, std::string_view auth) {
  const auto introduction = read_introduction(auth);
  const bool only_check = introduction.only_check;
  agent_ = introduction.agent;
  auto refusal = only_check ? core_.fleet.refusal(ref_.name, introduction.holder)
                            : core_.fleet.refuse(*this, introduction.holder);
  if (!refusal && !only_check) {
    if (!reservation_) return close();  // it has left, and says that it is there
    const auto attached =
        core_.fleet.attach(*this, *std::exchange(reservation_, std::nullopt), introduction.holder);
    if (!attached) {
      ++core_.metrics.handshakes["revoked"];
      say(spdlog::level::warn, "handshake_refused",
          "is refused after its handshake: " + attached.error().message + " (address " + address_ + ")");
      return close();
    }
    core_.fleet.introduced(*this, introduction.capacity, introduction.host, introduction.kind);
  }
  auto& master = core_.rotation.proof_for(ref_.name);
  master.get([this, alive = alive_, only_check, refusal = std::move(refusal), &master](const Proof& proof) {
    if (!*alive || !open_) return;
    shown_ = &master;
    shown_at_ = std::chrono::steady_clock::now();
    if (refusal) {
      // An agent says it; another program would wait for ever, and tries again when it is cut.
      if (!agent_) return close();
      return emit("masterVerification",
                  {json::quote(proof.signature), json::quote(proof.text), json::quote(*refusal)});
    }
    emit("masterVerification", {json::quote(proof.signature), json::quote(proof.text)});
    say(spdlog::level::info, "connected",
        std::string("connected") + (only_check ? " to check" : "") + " (address " + address_ + ")");
    if (only_check) return;
    core_.fleet.joined(*this);
    core_.rotation.announce(*this);
    core_.tasks.spawn("copy files to a shard", core_.files.copy(name()));
  });
}

void ShardSession::disconnected(std::string_view) {
  left();
  close();
}

/// A shard that leaves at once did not like our proof: it may trust the master's other key.
void ShardSession::left() {
  const bool at_once = std::chrono::steady_clock::now() <= shown_at_ + kProofTaken;
  if (shown_ != nullptr && at_once) core_.rotation.left(ref_.name, *shown_);
  shown_ = nullptr;
}

void ShardSession::emit(std::string_view event, const std::vector<std::string_view>& arguments) {
  if (!core_.leadership.held()) return;
  for (const auto& frame : socketio::encode_event(socketio::kMainNamespace, event, std::nullopt, arguments)) {
    send_frame(frame);
  }
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
  if (!core_.leadership.held()) return id;  // the connection is about to end, and with it what waits
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
  if (!core_.leadership.held()) return;
  connection().ack(socketio::kMainNamespace, id, arguments, attachments);
}

void ShardSession::event(std::string_view, std::string_view name, std::optional<socketio::AckId> ack_id,
                         socketio::Arguments arguments) {
  auto* const shard = core_.fleet.find(ref_.name);
  if (shard == nullptr || shard->session != this) return;
  if (shown_ != nullptr && std::chrono::steady_clock::now() > shown_at_ + kProofTaken) {
    core_.rotation.stayed(ref_.name, *std::exchange(shown_, nullptr));
  }
  if (name == "status") {
    ++core_.metrics.statuses;
    if (!arguments.json.empty()) core_.fleet.status(*shard, arguments.json.front(), arguments.names);
    return;
  }
  core_.fleet.seen(*shard);
  if (const auto setting = forbidden(core_.settings.permissions, name)) {
    const auto why = "shards may not do that here: [permissions] " + std::string(*setting) + " = false";
    say(spdlog::level::warn, "forbidden", "asks for " + std::string(name) + "; " + why);
    return answer_with(ack_id, fail(ErrorKind::not_permitted, why));
  }
  if (name == "broadcastEval") {
    on_broadcast(ack_id, arguments, &Question::eval);
  } else if (name == "fetchClientValues") {
    on_broadcast(ack_id, arguments, &Question::fetch_prop);
  } else if (name == "respawnAll") {
    on_respawn_all(ack_id, arguments);
  } else if (name == "lease") {
    const auto term = arguments.json.empty() ? std::nullopt : parse_int<std::int64_t>(arguments.json.front());
    core_.fleet.extend_lease(*shard, fleet::clamp_term(term.value_or(0)));
    if (ack_id) answer(*ack_id, {"null"});
  } else if (name == "leave") {
    core_.fleet.leave(*shard);
  } else if (name == "identify") {
    on_identify(*shard, ack_id, arguments);
  } else if (name == "login") {
    on_login(*shard, arguments);
  } else if (name == "sendSQL") {
    on_send_sql(ack_id, arguments);
  } else if (name == "writeFile") {
    on_write_file(ack_id, std::move(arguments));
  } else if (name == "getFile") {
    on_get_file(ack_id, arguments);
  } else if (name == "reboot") {
    on_reboot(ack_id, arguments);
  } else if (name == "sendMessage") {
    on_send_message(ack_id, arguments, shard->info.goal.first());
  } else {
    say(spdlog::level::warn, "unknown_event",
        "sent the event \"" + std::string(name.substr(0, 64)) + "\", which this server does not know");
    if (ack_id) answer(*ack_id, {R"("this master does not support that event")"});
  }
}

/// An agent's question: when it may start a bot that died (without arguments), or when its bot may log in.
void ShardSession::on_identify(Shard& shard, std::optional<socketio::AckId> ack_id,
                               const socketio::Arguments& arguments) {
  if (arguments.json.empty()) {
    if (ack_id) core_.fleet.may_start(shard, *ack_id);
    return;
  }
  const auto value = json::parse(arguments.json.front());
  if (!value || !value->is_object()) return;
  ShardId id;
  std::int64_t ask = 0;
  json::read(value->get_object(), "id", id);
  json::read(value->get_object(), "ask", ask);
  if (ask <= 0 || core_.fleet.ask_login(shard, id, static_cast<std::uint64_t>(ask))) return;
  emit("permit", {R"({"id":)" + std::to_string(id.value) + R"(,"ask":)" + std::to_string(ask) +
                  R"(,"error":"shard )" + std::to_string(id.value) + R"( is not to run here"})"});
}

/// What an agent tells of its bot's logins.
void ShardSession::on_login(Shard& shard, const socketio::Arguments& arguments) {
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
  core_.fleet.login(shard, {*event, id, static_cast<std::uint64_t>(ask)},
                    Millis{std::clamp<std::int64_t>(ago, 0, kLongest)});
}

void ShardSession::answer_with(std::optional<socketio::AckId> ack_id, const Result<void>& result) {
  if (!ack_id || !open_) return;
  answer(*ack_id, {result ? "null" : json::error(result.error().message)});
}

std::optional<OnBroadcast> ShardSession::answer_with_result(std::optional<socketio::AckId> ack_id) {
  auto place =
      core_.awaited < Core::kMostAwaited ? core_.shards_questions.take(name().process(0).str()) : nullptr;
  if (!place) {
    answer_with(ack_id,
                fail(ErrorKind::unavailable,
                     "too many questions to shards are unanswered; ask again when some have been answered"));
    return std::nullopt;
  }
  return [this, alive = alive_, ack_id, place = std::move(place)](const BroadcastResult& result) {
    if (!*alive || !open_ || !ack_id) return;
    answer(*ack_id, {result.error, result.results}, result.attachments);
  };
}

/// broadcastEval and fetchClientValues. A second argument comes from agents: `{"shard":3}` or `{"all":true}`,
/// to be answered as discord.js would.
void ShardSession::on_broadcast(std::optional<socketio::AckId> ack_id, const socketio::Arguments& arguments,
                                Question (*question)(std::string_view)) {
  const auto text = arguments.json.empty() ? std::nullopt : json::unquote(arguments.json.front());
  if (!text) {
    if (ack_id) answer(*ack_id, {R"("broadcastEval takes a script as text, fetchClientValues a path")"});
    return;
  }
  const auto place = answer_with_result(ack_id);
  if (!place) return;
  const auto& then = *place;
  if (is_update(*text)) {
    core_.tasks.spawn("update all", update_all(core_, *text, then), [then] {
      then({json::error("the update failed in a way that should not happen; the master's log says more"),
            "null",
            {}});
    });
    return;
  }
  auto room = room_for(text->size(), ack_id);
  if (!room) return;
  auto asked = question(*text);
  asked.place = std::move(room);
  if (arguments.json.size() < 2) return broadcast_eval(core_, std::move(asked), then);
  std::optional<std::int64_t> shard;
  const auto options = json::parse(arguments.json[1]);
  if (options && options->is_object() && options->get_object().contains("shard")) {
    json::read(options->get_object(), "shard", shard.emplace(-1));
  }
  broadcast_as_discord(core_, std::move(asked), shard, then);
}

std::shared_ptr<void> ShardSession::room_for(std::size_t bytes, std::optional<socketio::AckId> ack_id) {
  // The text is there as arguments and as a script, and as it is sent to agents and to others.
  constexpr std::size_t kCopies = 4;
  auto room = core_.questions_bytes.take(name().process(0).str(), kCopies * bytes + 1);
  if (!room) {
    answer_with(ack_id,
                fail(ErrorKind::unavailable,
                     "too much is asked of other shards at the same time (at most 8 MiB of text of one "
                     "shard); ask again when some has been answered"));
  }
  return room;
}

void ShardSession::on_respawn_all(std::optional<socketio::AckId> ack_id,
                                  const socketio::Arguments& arguments) {
  say(spdlog::level::info, "respawn_all", "asks to respawn all");
  const auto options =
      arguments.json.empty() ? Result<boost::json::value>(nullptr) : json::parse(arguments.json.front());
  const auto begun =
      options && options->is_object()
          ? core_.respawns.roll(name(), respawn_targets(core_), read_roll_options(options->get_object()))
          : core_.respawns.respawn(name(), respawn_targets(core_), core_.settings.respawn_delay);
  if (!begun) {
    say(spdlog::level::warn, "respawn_all_refused", "is refused: " + begun.error().message);
    return answer_with(ack_id, begun);
  }
  if (ack_id) answer(*ack_id, {});
}

void ShardSession::on_write_file(std::optional<socketio::AckId> ack_id, socketio::Arguments arguments) {
  auto event = wire::read_file_event(std::move(arguments));
  if (!event) return answer_with(ack_id, event.error());
  auto what =
      std::string(event->what == wire::FileEvent::What::remove ? "removing " : "writing ") + event->file.name;
  answer_after(ack_id, std::move(what), core_.files.take(ref_.name.process(0).str(), std::move(*event)));
}

void ShardSession::on_get_file(std::optional<socketio::AckId> ack_id, const socketio::Arguments& arguments) {
  auto file = arguments.json.empty() ? std::nullopt : wire::read_file_name(arguments.json.front());
  if (!file) {
    return answer_with(ack_id, fail(ErrorKind::bad_data, "getFile takes a name, or {filename, mtime}"));
  }
  auto what = "getting " + file->name;
  answer_after(ack_id, std::move(what), core_.files.give(ref_, std::move(*file)));
}

void ShardSession::answer_after(std::optional<socketio::AckId> ack_id, std::string what,
                                net::Task<Result<void>> task) {
  core_.tasks.spawn("a shard's file", carry_out(core_, ref_, ack_id, std::move(what), std::move(task)));
}

net::Task<> ShardSession::carry_out(Core& core, ShardRef ref, std::optional<socketio::AckId> ack_id,
                                    std::string what, net::Task<Result<void>> task) {
  Result<void> result;
  try {
    result = co_await std::move(task);
  } catch (const std::exception& error) {
    result =
        fail(ErrorKind::internal, std::string("failed in a way that should not happen: ") + error.what());
  }
  ++core.metrics.files[result ? "ok" : "error"];
  if (!result) {
    log::shard(spdlog::level::warn, {"file", ref.name.str(), {}, {}},
               "shard " + ref.name.str() + ": " + what.substr(0, 200) + ": " + result.error().message);
  }
  if (auto* const session = core.fleet.session(ref)) session->answer_with(ack_id, result);
}

void ShardSession::on_reboot(std::optional<socketio::AckId> ack_id, const socketio::Arguments& arguments) {
  const auto text = arguments.json.empty() ? std::nullopt : json::unquote(arguments.json.front());
  const auto request = parse_reboot(text.value_or(""));
  say(spdlog::level::info, "reboot", "asks: " + text.value_or("").substr(0, 100));
  if (!request) say(spdlog::level::warn, "bad_reboot", "is refused: " + request.error().message);
  answer_with(ack_id, request ? Result<void>() : request.error());
  if (request) core_.tasks.spawn("reboot", reboot_for_shard(core_, *request));
}

void ShardSession::on_send_sql(std::optional<socketio::AckId> ack_id, const socketio::Arguments& arguments) {
  auto statement = arguments.json.empty() ? std::nullopt : json::unquote(arguments.json.front());
  if (!statement) {
    return answer_with(ack_id, fail(ErrorKind::bad_data, "sendSQL takes a statement as text"));
  }
  core_.sql.run(ref_.name.str(), std::move(*statement), core_.settings.shard_access,
                [this, alive = alive_, ack_id](Result<sql::Outcome> outcome) {
                  if (!*alive || !open_) return;
                  if (!outcome) return answer_with(ack_id, outcome.error());
                  if (!ack_id) return;
                  answer(*ack_id, {"null", outcome->json}, outcome->blobs);
                });
}

void ShardSession::on_send_message(std::optional<socketio::AckId> ack_id,
                                   const socketio::Arguments& arguments, ShardId from) {
  if (arguments.json.size() < 2 || !arguments.attachments.empty()) {
    if (ack_id) answer(*ack_id, {R"("sendMessage takes an address, data and a timeout or null")"});
    return;
  }
  constexpr std::int64_t kLongest = 3'600'000;
  const auto ms = arguments.json.size() < 3 ? std::nullopt : parse_int<std::int64_t>(arguments.json[2]);
  const auto timeout = ms ? std::optional(Millis{std::clamp<std::int64_t>(*ms, 1, kLongest)}) : std::nullopt;
  auto then = answer_with_result(ack_id);
  auto room = then ? room_for(arguments.json[1].size(), ack_id) : nullptr;
  if (!room) return;
  send_message(core_, arguments.json[0], arguments.json[1], from, timeout, std::move(room), std::move(*then));
}

}  // namespace smaster::server
