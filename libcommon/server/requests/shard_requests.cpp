#include "server/requests/shard_requests.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/json/object.hpp>
#include <utility>

#include "base/outlet.hpp"
#include "base/text.hpp"
#include "json/json.hpp"
#include "log/log.hpp"
#include "server/requests/messages.hpp"
#include "server/shards/shard_event.hpp"

namespace smaster::server {
namespace {

net::Task<> reboot_for_shard(const RebootParts& parts, Reboot request) {
  (void)co_await reboot(parts, std::move(request));
}

/// Handles an update that a shard broadcasts: runs the local command first, like `smaster update`.
net::Task<> update_all(const ShardRequests::Parts& parts, std::string script, OnBroadcast then) {
  net::OnLine nowhere = [](net::Output, std::string_view) {};
  const auto updated = co_await parts.update.run(std::move(nowhere));
  if (!updated) {
    spdlog::error("update: {}; the shards are not updated", updated.error().message);
    then({json::error("the master's own update: " + updated.error().message), "null", {}});
    co_return;
  }
  broadcast_eval(parts.evals, Question::eval(script), std::move(then), parts.settings.update_timeout);
}

/// The script stays as it came: to quote a megabyte anew takes milliseconds.
std::optional<Question> eval_question(const socketio::Arguments& arguments) {
  if (arguments.json.empty() || !arguments.json.front().starts_with('"')) return std::nullopt;
  return Question::eval_json(std::string(arguments.json.front()));
}

constexpr std::size_t kLongestPath = 1024;
constexpr std::size_t kShownStatement = 200;  ///< bytes of a script or statement in the list of events

std::string words_of(const Result<void>& result) { return result ? "done" : result.error().message; }

std::optional<Question> fetch_question(const socketio::Arguments& arguments) {
  if (arguments.json.empty() || arguments.json.front().size() > kLongestPath) return std::nullopt;
  const auto path = json::unquote(arguments.json.front());
  return path ? std::optional(Question::fetch_prop(*path)) : std::nullopt;
}

}  // namespace

bool ShardRequests::handle(ShardSession& session, const Shard& shard, std::string_view name, AckId ack_id,
                           socketio::Arguments& arguments) {
  if (name == "broadcastEval") {
    on_broadcast(session, ack_id, arguments, eval_question(arguments));
  } else if (name == "fetchClientValues") {
    on_broadcast(session, ack_id, arguments, fetch_question(arguments));
  } else if (name == "respawnAll") {
    on_respawn_all(session, ack_id, arguments);
  } else if (name == "sendSQL") {
    on_send_sql(session, ack_id, arguments);
  } else if (name == "writeFile") {
    on_write_file(session, ack_id, std::move(arguments));
  } else if (name == "getFile") {
    on_get_file(session, ack_id, arguments);
  } else if (name == "reboot") {
    on_reboot(session, ack_id, arguments);
  } else if (name == "sendMessage") {
    on_send_message(session, ack_id, arguments, shard.info.goal.first());
  } else {
    return false;
  }
  return true;
}

void ShardRequests::is_there(const ShardSession& session) {
  parts_.tasks.spawn("copy files to a shard", parts_.files.copy(session.name()));
}

void ShardRequests::left(const ShardSession& session) {
  parts_.sql.left(session.name().process(0).str(), session.ref().connection);
}

void ShardRequests::record(fleet::EventKind kind, const ShardName& who, const std::string& address,
                           const std::function<std::string()>& text) {
  parts_.events.record_routine(kind, who.str(), [&] {
    auto event = about(parts_.directory, who, kind, text());
    event.by = "shard " + who.str() + (address.empty() ? "" : " (" + address + ')');
    return event;
  });
}

void ShardRequests::request_recorded(const ShardSession& session, fleet::EventKind kind, std::string text) {
  auto event = about(parts_.directory, session.name(), kind, std::move(text));
  event.by = "shard " + session.name().str() + " (" + session.address() + ')';
  parts_.events.record(std::move(event), session.address());
}

std::optional<OnBroadcast> ShardRequests::answer_with_result(ShardSession& session, AckId ack_id,
                                                             std::string_view script) {
  auto place =
      parts_.evals.awaited < Evals::kMostAwaited ? questions_.take(session.name().process(0).str()) : nullptr;
  if (!place) {
    session.answer_with(
        ack_id, fail(ErrorKind::unavailable,
                     "too many questions to shards are unanswered; ask again when some have been answered"));
    return std::nullopt;
  }
  return [this, ref = session.ref(), address = session.address(), ack_id, place = std::move(place),
          shown = std::string(outlet::cut(script, kShownStatement))](BroadcastResult result) {
    if (!shown.empty())
      record(fleet::EventKind::eval, ref.name, address, [&] {
        return "eval of all shards: " + shown + ": " +
               (result.error == "null" ? "done" : std::string(outlet::cut(result.error, kShownStatement)));
      });
    auto* const asker = parts_.directory.session(ref);
    if (asker == nullptr || !asker->is_open() || !ack_id) return;
    asker->answer_result(*ack_id, result.error, std::move(result.results), std::move(result.attachments));
  };
}

/// broadcastEval and fetchClientValues. Agents send a second argument, `{"shard":3}` or `{"all":true}`: they
/// get the answers of discord.js.
void ShardRequests::on_broadcast(ShardSession& session, AckId ack_id, const socketio::Arguments& arguments,
                                 std::optional<Question> asked) {
  if (!asked) {
    if (ack_id) {
      session.answer(*ack_id,
                     {R"("broadcastEval takes a script as text, fetchClientValues a path of at most )"
                      R"(1,024 bytes")"});
    }
    return;
  }
  const auto text = arguments.json.front();
  const auto place = answer_with_result(session, ack_id, text);
  if (!place) return;
  const auto& then = *place;
  if (is_update(text.substr(1))) {
    parts_.tasks.spawn("update all", update_all(parts_, json::unquote(text).value_or(""), then), [then] {
      then({json::error("the update failed in a way that should not happen; the master's log says more"),
            "null",
            {}});
    });
    return;
  }
  auto room = room_for(session, text.size(), ack_id);
  if (!room) return;
  asked->place = std::move(room);
  asked->room_for = room_for_answers(session);
  if (arguments.json.size() < 2) return broadcast_eval(parts_.evals, std::move(*asked), then);
  std::optional<std::int64_t> shard;
  const auto options = json::parse(arguments.json[1]);
  if (options && options->is_object() && options->get_object().contains("shard")) {
    json::read(options->get_object(), "shard", shard.emplace(-1));
  }
  broadcast_as_discord(parts_.evals, std::move(*asked), shard, then);
}

std::shared_ptr<void> ShardRequests::room_for(ShardSession& session, std::size_t bytes, AckId ack_id) {
  // The text is held four times: as argument, as script, and encoded for agents and for other shards.
  constexpr std::size_t kCopies = 4;
  auto room = questions_bytes_.take(session.name().process(0).str(), kCopies * bytes + 1);
  if (!room) {
    session.answer_with(
        ack_id, fail(ErrorKind::unavailable,
                     "too much is asked of other shards at the same time (at most 8 MiB of text of one "
                     "shard); ask again when some has been answered"));
  }
  return room;
}

RoomFor ShardRequests::room_for_answers(const ShardSession& session) {
  constexpr std::size_t kOverhead = 256;
  return [this, key = session.name().process(0).str()](std::size_t bytes) {
    return answers_bytes_.take(key, bytes + kOverhead);
  };
}

void ShardRequests::on_respawn_all(ShardSession& session, AckId ack_id,
                                   const socketio::Arguments& arguments) {
  const auto options =
      arguments.json.empty() ? Result<boost::json::value>(nullptr) : json::parse(arguments.json.front());
  const auto begun = options && options->is_object()
                         ? parts_.respawns.roll(session.name(), read_roll_options(options->get_object()))
                         : parts_.respawns.respawn(session.name(), parts_.settings.respawn_delay);
  request_recorded(session, fleet::EventKind::respawn, "respawn of all shards: " + words_of(begun));
  if (!begun) return session.answer_with(ack_id, begun);
  if (ack_id) session.answer(*ack_id, {});
}

void ShardRequests::on_write_file(ShardSession& session, AckId ack_id, socketio::Arguments arguments) {
  auto event = wire::read_file_event(std::move(arguments));
  if (!event) return session.answer_with(ack_id, event.error());
  auto what =
      std::string(event->what == wire::FileEvent::What::remove ? "removing " : "writing ") + event->file.name;
  answer_after(session, ack_id, std::move(what),
               parts_.files.take(session.name().process(0).str(), std::move(*event)));
}

void ShardRequests::on_get_file(ShardSession& session, AckId ack_id, const socketio::Arguments& arguments) {
  auto file = arguments.json.empty() ? std::nullopt : wire::read_file_name(arguments.json.front());
  if (!file) {
    return session.answer_with(ack_id,
                               fail(ErrorKind::bad_data, "getFile takes a name, or {filename, mtime}"));
  }
  auto what = "getting " + file->name;
  answer_after(session, ack_id, std::move(what), parts_.files.give(session.ref(), std::move(*file)));
}

void ShardRequests::answer_after(ShardSession& session, AckId ack_id, std::string what,
                                 net::Task<Result<void>> task) {
  parts_.tasks.spawn("a shard's file", carry_out(session.ref(), ack_id, std::move(what), std::move(task)));
}

net::Task<> ShardRequests::carry_out(ShardRef ref, AckId ack_id, std::string what,
                                     net::Task<Result<void>> task) {
  Result<void> result;
  try {
    result = co_await std::move(task);
  } catch (const std::exception& error) {
    result =
        fail(ErrorKind::internal, std::string("failed in a way that should not happen: ") + error.what());
  }
  ++parts_.metrics.files[result ? "ok" : "error"];
  record(fleet::EventKind::file, ref.name, "", [&] { return what.substr(0, 200) + ": " + words_of(result); });
  if (!result) {
    log::shard(spdlog::level::warn, {"file", ref.name.str(), {}, {}},
               "shard " + ref.name.str() + ": " + what.substr(0, 200) + ": " + result.error().message);
  }
  if (auto* const session = parts_.directory.session(ref)) session->answer_with(ack_id, result);
}

void ShardRequests::on_reboot(ShardSession& session, AckId ack_id, const socketio::Arguments& arguments) {
  const auto text = arguments.json.empty() ? std::nullopt : json::unquote(arguments.json.front());
  const auto request = parse_reboot(text.value_or(""));
  const auto accepted = request ? Result<void>() : request.error();
  request_recorded(session, fleet::EventKind::reboot,
                   '"' + text.value_or("").substr(0, 100) + "\": " + words_of(accepted));
  session.answer_with(ack_id, accepted);
  if (request) parts_.tasks.spawn("reboot", reboot_for_shard(parts_.reboot, *request));
}

void ShardRequests::on_send_sql(ShardSession& session, AckId ack_id, const socketio::Arguments& arguments) {
  auto statement = arguments.json.empty() ? std::nullopt : json::unquote(arguments.json.front());
  if (!statement) {
    return session.answer_with(ack_id, fail(ErrorKind::bad_data, "sendSQL takes a statement as text"));
  }
  auto shown = std::string(outlet::cut(*statement, kShownStatement));
  parts_.sql.run(session.name().process(0).str(), session.ref().connection, std::move(*statement),
                 parts_.settings.shard_access,
                 [this, ref = session.ref(), address = session.address(), ack_id,
                  shown = std::move(shown)](Result<sql::Outcome> outcome) {
                   record(fleet::EventKind::sql, ref.name, address, [&] {
                     return "SQL: " + shown + ": " + words_of(outcome ? Result<void>() : outcome.error());
                   });
                   auto* const asker = parts_.directory.session(ref);
                   if (asker == nullptr || !asker->is_open()) return;
                   if (!outcome) return asker->answer_with(ack_id, outcome.error());
                   if (!ack_id) return;
                   asker->answer_result(*ack_id, "null", std::move(outcome->json), std::move(outcome->blobs));
                 });
}

void ShardRequests::on_send_message(ShardSession& session, AckId ack_id, const socketio::Arguments& arguments,
                                    ShardId from) {
  if (arguments.json.size() < 2 || !arguments.attachments.empty()) {
    if (ack_id) session.answer(*ack_id, {R"("sendMessage takes an address, data and a timeout or null")"});
    return;
  }
  constexpr std::int64_t kLongest = 3'600'000;
  const auto ms = arguments.json.size() < 3 ? std::nullopt : parse_int<std::int64_t>(arguments.json[2]);
  const auto timeout = ms ? std::optional(Millis{std::clamp<std::int64_t>(*ms, 1, kLongest)}) : std::nullopt;
  auto then = answer_with_result(session, ack_id);
  auto room = then ? room_for(session, arguments.json[1].size(), ack_id) : nullptr;
  if (!room) return;
  auto message = Question::message(arguments.json[1], from);
  message.place = std::move(room);
  message.room_for = room_for_answers(session);
  send_message(parts_.evals, arguments.json[0], std::move(message), from, timeout, std::move(*then));
}

}  // namespace smaster::server
