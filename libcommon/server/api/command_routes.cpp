#include "server/api/routes.hpp"

#include <spdlog/spdlog.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <utility>

#include "json/json.hpp"
#include "log/log.hpp"
#include "server/api/addressed.hpp"
#include "server/api/eval_lines.hpp"
#include "server/api/request.hpp"

namespace smaster::server {
namespace {

namespace bj = boost::json;
using control::Answer;
using control::Call;
using control::LineStream;
using control::Reply;

net::Task<> update(const ControlParts& parts, std::shared_ptr<LineStream> lines, Millis timeout,
                   std::string by) {
  const auto output = [](std::string_view from, std::string_view line) {
    return json::serialize(bj::object{{"output", from}, {"line", line}});
  };
  std::size_t dropped = 0;
  net::OnLine on_line = [lines, output, &dropped](net::Output from, std::string_view line) {
    if (!lines->offer(output(from == net::Output::out ? "out" : "err", line))) ++dropped;
  };
  const auto updated = co_await parts.update.run(std::move(on_line));
  if (dropped > 0) {
    lines->push(output("err", "(" + std::to_string(dropped) +
                                  " more lines were dropped: the reader of the answer is too slow)"));
  }
  bj::object here{{"ok", updated.has_value()}};
  if (!updated) here["error"] = updated.error().message;
  parts.event_list.events.record(
      {.kind = fleet::EventKind::update,
       .text = "update of this server: " + (updated ? "done" : updated.error().message),
       .by = by});
  lines->push(json::serialize(bj::object{{"here", here}}));
  if (!updated) {
    lines->finish();
    co_return;
  }
  eval_to_lines(parts.evals, lines, Question::eval(kUpdateScript), parts.directory.all_ids(), timeout);
}

}  // namespace

/// Request: {"what": "bots" | "programs" | "all" | "master"}; for the first two also a selection
/// (addressed.hpp).
net::Task<Answer> post_reboot(ControlContext context, Call call) {
  const auto body = selecting_body(call, {"what"});
  if (!body) co_return control::error_reply(body.error());
  auto ids = co_await addressed(context.parts.stats, *body);
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
  auto lines = std::make_shared<LineStream>(context.parts.context.get_executor());
  const auto rebooted = co_await reboot(context.parts.reboot, std::move(request));
  audit(context, call.by, fleet::EventKind::reboot,
        "reboot of \"" + what + "\", " + std::to_string(rebooted.size()) + " shards");
  Slice slice(context.parts.slices, kForOperators);
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

/// Request: {"host": "…"}. Answer: {"drained": […]}, the hosts that are still drained.
net::Task<Answer> post_undrain(ControlContext context, Call call) {
  const auto body = body_object(call);
  if (!body) co_return control::error_reply(body.error());
  std::string host;
  json::read(*body, "host", host);
  auto& goal = context.parts.reshard.goal;
  const auto& drained = goal.drained();
  if (!drained.contains(host)) {
    std::string labels;
    for (const auto& label : drained) labels += (labels.empty() ? "" : ", ") + label;
    co_return control::error_reply(
        fail(ErrorKind::not_found, "host \"" + host + "\" is not drained; " +
                                       (labels.empty() ? "no host is" : "drained hosts: " + labels)));
  }
  const auto saved = co_await goal.drain(host, false);
  audit(context, call.by, fleet::EventKind::reshard,
        "undrain host " + host + (saved ? "" : ": " + saved.error().message));
  if (!saved) co_return control::error_reply(saved.error());
  co_return json_reply(bj::object{{"drained", bj::array(goal.drained().begin(), goal.drained().end())}});
}

/// Request: {lines?, age_ms?, follow?, timeout_ms?} and a selection (addressed.hpp).
net::Task<Answer> post_logs(ControlContext context, Call call) {
  const auto body = selecting_body(call, {"lines", "age_ms", "follow", "timeout_ms"});
  if (!body) co_return control::error_reply(body.error());
  const auto ids = co_await addressed(context.parts.stats, *body);
  const auto timeout = milliseconds(*body, "timeout_ms", kEvalTimeout);
  if (!ids || !timeout) co_return control::error_reply(!ids ? ids.error() : timeout.error());
  LogRequest request;
  request.all = !ids->has_value();
  request.ids = *ids ? **ids : context.parts.directory.all_ids();
  request.timeout = *timeout;
  json::read(*body, "lines", request.lines);
  json::read(*body, "age_ms", request.age);
  json::read(*body, "follow", request.follow);
  auto lines = std::make_shared<LineStream>(context.parts.context.get_executor());
  const auto begun = context.parts.logs.read(request, lines);
  if (!begun) co_return control::error_reply(begun.error());
  co_return lines;
}

/// Request: {"statement": "…"}. Answer: {columns, rows}, blobs as base64, or {affectedRows, insertId,
/// changedRows}.
net::Task<Answer> post_sql(ControlContext context, Call call) {
  const auto body = body_object(call);
  std::string statement;
  if (body) json::read(*body, "statement", statement);
  if (!body || statement.empty()) co_return usage("\"statement\" is missing or not a text");
  net::Supplied<Result<sql::Outcome>> ran(context.parts.context.get_executor());
  auto about = "SQL: " + script_words(statement);
  context.parts.sql.run("", 0, std::move(statement), sql::Access::write, ran.callback());
  const auto outcome = co_await ran.get();
  audit(context, call.by, fleet::EventKind::sql,
        about + (outcome && *outcome ? ": done"
                                     : ": " + (outcome ? outcome->error().message : "the server stopped")));
  if (!outcome) co_return control::error_reply(fail(ErrorKind::unavailable, "the server is stopping"));
  if (!*outcome) co_return control::error_reply(outcome->error());
  const auto& text = (*outcome)->json;  // operators get blobs as base64
  if ((*outcome)->columns.empty()) co_return Reply{200, text};
  std::string columns;
  for (const auto& column : (*outcome)->columns)
    columns += (columns.empty() ? "" : ",") + json::quote(column);
  std::string json = R"({"columns":[)" + columns + R"(],"rows":)" + text + '}';
  co_return Reply{200, std::move(json)};
}

/// Request: {"timeout_ms": …}. Answer, in lines: the local command's output {"output": "out" | "err",
/// "line"}, its result {"here": {"ok", "error"?}}, then an eval's lines.
Answer post_update(ControlContext& context, const Call& call) {
  const auto body = body_object(call);
  if (!body) return control::error_reply(body.error());
  const auto timeout = milliseconds(*body, "timeout_ms", context.parts.settings.update_timeout);
  if (!timeout) return control::error_reply(timeout.error());
  auto lines = std::make_shared<LineStream>(context.parts.context.get_executor());
  context.parts.tasks.spawn("update", update(context.parts, lines, *timeout, call.by),
                            [lines] { lines->finish(); });
  return lines;
}

Answer get_log_level(ControlContext&, const Call&) { return json_reply(bj::object{{"level", log::level()}}); }

/// Request: {"level": …}. Holds until the next request, or the next change of the setting.
Answer post_log_level(ControlContext& context, const Call& call) {
  const auto body = body_object(call);
  if (!body) return control::error_reply(body.error());
  std::string text;
  json::read(*body, "level", text);
  const auto level = log::parse_level(text);
  if (!level) return usage("\"level\" is debug, info, warn or error");
  spdlog::set_level(*level);
  audit(context, call.by, fleet::EventKind::control, "log level " + text);
  return json_reply(bj::object{{"level", text}});
}

}  // namespace smaster::server
