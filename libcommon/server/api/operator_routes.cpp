#include "server/api/operator_routes.hpp"

#include <spdlog/spdlog.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "json/json.hpp"
#include "log/log.hpp"
#include "server/api/request.hpp"
#include "server/process/core.hpp"
#include "server/requests/files.hpp"
#include "server/requests/reboot.hpp"
#include "server/requests/respawn.hpp"
#include "server/requests/update.hpp"

namespace smaster::server {
namespace {

namespace bj = boost::json;
using control::Answer;
using control::Call;
using control::LineStream;
using control::Reply;

net::Task<Result<std::string>> read_piece(net::asio::thread_pool& pool, std::shared_ptr<files::OpenFile> file,
                                          std::shared_ptr<std::size_t> offset) {
  constexpr std::size_t kPiece = 256 * 1024;
  auto piece = co_await net::run_in(pool, [&file, &offset] { return file->read(*offset, kPiece); });
  if (piece) *offset += piece->size();
  co_return piece;
}

net::Task<> update(Core& core, std::shared_ptr<LineStream> lines, Millis timeout) {
  const auto output = [](std::string_view from, std::string_view line) {
    return json::serialize(bj::object{{"output", from}, {"line", line}});
  };
  std::size_t dropped = 0;
  net::OnLine on_line = [lines, output, &dropped](net::Output from, std::string_view line) {
    if (!lines->offer(output(from == net::Output::out ? "out" : "err", line))) ++dropped;
  };
  const auto updated = co_await core.update.run(std::move(on_line));
  if (dropped > 0) {
    lines->push(output("err", "(" + std::to_string(dropped) +
                                  " more lines were dropped: the reader of the answer is too slow)"));
  }
  bj::object here{{"ok", updated.has_value()}};
  if (!updated) here["error"] = updated.error().message;
  lines->push(json::serialize(bj::object{{"here", here}}));
  if (!updated) {
    lines->finish();
    co_return;
  }
  eval_to_lines(core, lines, Question::eval(kUpdateScript), all_ids(core), timeout);
}

/// The name of a file in the query.
Result<std::string> file_name(const Call& call) {
  const auto at = call.query.find("name");
  if (at == call.query.end()) return fail(ErrorKind::usage, "\"name\" is missing in the query");
  return at->second;
}

/// Does something with the file at each chosen shard, one after the other, and says how it went.
net::Task<> with_each(Core& core, std::shared_ptr<LineStream> lines, std::vector<RespawnTarget> targets,
                      std::string name, net::Task<Result<void>> (Files::*act)(ShardName, std::string)) {
  for (const auto& target : targets) {
    if (!co_await lines->room()) co_return;
    bj::object line{{"shard", target.id.value}, {"name", name_value(target.name)}};
    Result<void> done = fail(ErrorKind::not_found, "no shard has this id");
    if (target.name) done = co_await (core.files.*act)(*target.name, name);
    if (!done) line["error"] = done.error().message;
    lines->push(json::serialize(line));
  }
  lines->finish();
}

net::Task<Answer> for_shards(ControlContext context, Call call,
                             net::Task<Result<void>> (Files::*act)(ShardName, std::string)) {
  const auto body = body_object(call);
  if (!body) co_return control::error_reply(body.error());
  std::string name;
  json::read(*body, "name", name);
  const auto ids = co_await addressed(context.core, *body);
  if (!ids) co_return control::error_reply(ids.error());
  auto lines = std::make_shared<LineStream>(context.core.context.get_executor());
  context.core.tasks.spawn("a file for or of shards",
                           with_each(context.core, lines, respawn_targets(context.core, *ids), name, act),
                           [lines] { lines->finish(); });
  co_return lines;
}

}  // namespace

/// {"what": "bots" | "programs" | "all" | "master", and of the first two who is addressed}.
net::Task<Answer> post_reboot(ControlContext context, Call call) {
  const auto body = body_object(call);
  if (!body) co_return control::error_reply(body.error());
  auto ids = co_await addressed(context.core, *body);
  if (!ids) co_return control::error_reply(ids.error());
  std::string what = "bots";
  json::read(*body, "what", what);
  Reboot request;
  if (what == "bots") {
    request = {Reboot::What::bots, std::move(*ids)};
  } else if (what == "programs") {
    request = {Reboot::What::programs, std::move(*ids)};
  } else if (what == "all" || what == "master") {
    request.what = what == "all" ? Reboot::What::all : Reboot::What::master;
  } else {
    co_return usage("\"what\" is bots, programs, all or master");
  }
  auto lines = std::make_shared<LineStream>(context.core.context.get_executor());
  const auto rebooted = co_await reboot(context.core, std::move(request));
  Slice slice(context.core.slices, kForOperators);
  co_await slice.next();
  for (const auto& shard : rebooted) {
    if (slice.over()) co_await slice.next();
    bj::object line{{"shard", shard.id.value},
                    {"name", name_value(shard.name)},
                    {"state", shard.told ? "sent" : "missing"}};
    if (!shard.told) line["error"] = shard.name ? "not connected" : "no shard has this id";
    lines->push(json::serialize(line));
  }
  lines->finish();
  co_return lines;
}

/// {"statement": "…"}; {columns, rows} or {affectedRows, insertId, changedRows}, blobs as base64.
net::Task<Answer> post_sql(ControlContext context, Call call) {
  const auto body = body_object(call);
  std::string statement;
  if (body) json::read(*body, "statement", statement);
  if (!body || statement.empty()) co_return usage("\"statement\" is missing or not a text");
  std::optional<Result<sql::Outcome>> outcome;
  net::Timer done(context.core.context.get_executor(), net::Timer::time_point::max());
  context.core.sql.run("", std::move(statement), sql::Access::write, [&](Result<sql::Outcome> ran) {
    outcome = std::move(ran);
    done.cancel();
  });
  boost::system::error_code ignored;
  co_await done.async_wait(net::asio::redirect_error(net::use_task, ignored));
  if (!*outcome) co_return control::error_reply(outcome->error());
  const auto& text = (*outcome)->json;  // operators get blobs as base64
  if ((*outcome)->columns.empty()) co_return Reply{200, text};
  std::string columns;
  for (const auto& column : (*outcome)->columns)
    columns += (columns.empty() ? "" : ",") + json::quote(column);
  std::string json = R"({"columns":[)" + columns + R"(],"rows":)" + text + '}';
  co_return Reply{200, std::move(json)};
}

net::Task<Answer> get_file(ControlContext context, Call call) {
  auto name = file_name(call);
  if (!name) co_return control::error_reply(name.error());
  auto file = co_await context.core.files.open(std::move(*name));
  if (!file) co_return control::error_reply(file.error());
  auto& pool = context.core.files.thread();
  co_return control::Bytes{[&pool, file = *file, offset = std::make_shared<std::size_t>(0)] {
    return read_piece(pool, file, offset);
  }};
}

net::Task<Answer> put_file(ControlContext context, Call call) {
  auto name = file_name(call);
  if (!name) co_return control::error_reply(name.error());
  auto writer = co_await context.core.files.create(std::move(*name));
  if (!writer) co_return control::error_reply(writer.error());
  auto& pool = context.core.files.thread();
  while (true) {
    auto piece = co_await call.next_piece();
    if (!piece) co_return control::error_reply(piece.error());
    const bool last = piece->empty();
    const auto written = co_await net::run_in(pool, [&writer, &piece, last] {
      return last ? (*writer)->commit(std::nullopt) : (*writer)->append(*piece);
    });
    if (!written) co_return control::error_reply(written.error());
    if (last) co_return json_reply(bj::object{{"written", true}});
  }
}

net::Task<Answer> delete_file(ControlContext context, Call call) {
  const auto name = file_name(call);
  if (!name) co_return control::error_reply(name.error());
  wire::FileEvent event{{*name, std::nullopt}, wire::FileEvent::What::remove, {}};
  std::string who;
  const auto removed = co_await context.core.files.take(std::move(who), std::move(event));
  if (!removed) co_return control::error_reply(removed.error());
  co_return json_reply(bj::object{{"removed", true}});
}

/// {"timeout_ms": …}; lines {"output": "out" | "err", "line"} of the command here, {"here": {"ok",
/// "error"?}}, then an eval's.
Answer post_update(ControlContext& context, const Call& call) {
  const auto body = body_object(call);
  if (!body) return control::error_reply(body.error());
  const auto timeout = milliseconds(*body, "timeout_ms", context.core.settings.update_timeout);
  if (!timeout) return control::error_reply(timeout.error());
  auto lines = std::make_shared<LineStream>(context.core.context.get_executor());
  context.core.tasks.spawn("update", update(context.core, lines, *timeout), [lines] { lines->finish(); });
  return lines;
}

Answer get_log_level(ControlContext&, const Call&) { return json_reply(bj::object{{"level", log::level()}}); }

/// {"level": …}: until it is changed again, or the settings say another.
Answer post_log_level(ControlContext&, const Call& call) {
  const auto body = body_object(call);
  if (!body) return control::error_reply(body.error());
  std::string text;
  json::read(*body, "level", text);
  const auto level = log::parse_level(text);
  if (!level) return usage("\"level\" is debug, info, warn or error");
  spdlog::set_level(*level);
  return json_reply(bj::object{{"level", text}});
}

net::Task<Answer> post_push(ControlContext context, Call call) {
  co_return co_await for_shards(std::move(context), std::move(call), &Files::push);
}
net::Task<Answer> post_fetch(ControlContext context, Call call) {
  co_return co_await for_shards(std::move(context), std::move(call), &Files::fetch);
}

}  // namespace smaster::server
