#include "server/api/control_api.hpp"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <utility>
#include <variant>

#include "base/text.hpp"
#include "json/json.hpp"
#include "net/clock.hpp"
#include "net/engineio/server.hpp"
#include "records/gateway_watch.hpp"
#include "server/api/addressed.hpp"
#include "server/api/eval_lines.hpp"
#include "server/api/request.hpp"
#include "server/api/routes.hpp"
#include "server/requests/eval.hpp"
#include "server/requests/messages.hpp"
#include "server/requests/registrar.hpp"
#include "server/requests/reshard.hpp"
#include "server/requests/respawn.hpp"
#include "server/stats/history.hpp"
#include "server/stats/stats.hpp"

namespace smaster::server {
namespace {

namespace bj = boost::json;
using control::Answer;
using control::Call;
using control::LineStream;
using control::Reply;

constexpr std::int64_t kMaxGenerate = 10'000;

Answer get_stats(ControlContext& context, const Call&) {
  auto place = context.parts.operators_answers.take("");
  if (!place) return too_many_answers();
  auto pieces = [pieces = stats_pieces(context.parts.stats, context.parts.engine.session_count()),
                 place = std::move(place)] { return pieces(); };
  return control::Bytes{std::move(pieces), "application/json"};
}

/// One shard, by its name or by an id that it has.
Answer get_shard(ControlContext& context, const Call& call) {
  const auto& directory = context.parts.directory;
  const Shard* shard = nullptr;
  if (const auto given = call.query.find("id"); given != call.query.end()) {
    const auto id = parse_int<std::int32_t>(given->second);
    if (!id || *id < 0) return usage("\"id\" is not a shard id");
    shard = directory.holder(ShardId{*id});
    if (shard == nullptr) {
      return control::error_reply(
          fail(ErrorKind::not_found, "no shard has the id " + given->second + "; the goal is " +
                                         std::to_string(directory.goal().value) + " shards"));
    }
  } else if (const auto named = call.query.find("name"); named != call.query.end()) {
    const auto name = ShardName::parse_seat(named->second);
    shard = name ? directory.find(*name) : nullptr;
    if (shard == nullptr) {
      return control::error_reply(fail(ErrorKind::not_found, "no shard is named \"" + named->second + '"'));
    }
  } else {
    return usage("\"id\" or \"name\" is missing");
  }
  return json_reply(row_json(context.parts.stats, *shard, true));
}

Answer get_server(ControlContext& context, const Call&) {
  const auto& settings = context.parts.settings;
  return json_reply(bj::object{{"version", SMASTER_VERSION},
                               {"pid", ::getpid()},
                               {"started_ms", to_unix_ms(context.parts.started_at)},
                               {"clients", context.parts.engine.session_count()},
                               {"assume_dead_ms", settings.assume_dead_after.count()},
                               {"address", settings.address},
                               {"port", context.parts.port},
                               {"path", settings.path},
                               {"state_dir", settings.state_dir.string()}});
}

Answer get_config(ControlContext& context, const Call&) {
  return Reply{.body = to_json(context.parts.settings)};
}

Answer get_history(ControlContext& context, const Call& call) {
  Time since = net::wall_clock() - context.parts.settings.history_length;
  if (const auto at = call.query.find("since"); at != call.query.end()) {
    const auto ms = parse_int<std::int64_t>(at->second);
    if (!ms) return usage("\"since\" is not a time in unix milliseconds");
    since = from_unix_ms(*ms);
  }
  std::vector<ShardName> names;
  const auto [first, last] = call.query.equal_range("id");
  for (auto at = first; at != last; ++at) {
    auto name = ShardName::parse_seat(at->second);
    if (!name || context.parts.directory.find(*name) == nullptr) {
      return control::error_reply(fail(ErrorKind::not_found, "no shard is named \"" + at->second + '"'));
    }
    names.push_back(std::move(*name));
  }
  if (first == last) {
    for (const auto& [name, shard] : context.parts.directory.shards()) names.push_back(name);
  }
  return control::Bytes{history_pieces(context.parts.history, std::move(names), since), "application/json"};
}

net::Task<Answer> post_eval(ControlContext context, Call call) {
  const auto body = selecting_body(call, {"script", "timeout_ms"});
  if (!body) co_return control::error_reply(body.error());
  const auto* script = body->if_contains("script");
  if (script == nullptr || !script->is_string()) co_return usage("\"script\" is missing or not a text");
  const auto ids = co_await addressed(context.parts.stats, *body);
  const auto timeout = milliseconds(*body, "timeout_ms", kEvalTimeout);
  if (!ids || !timeout) co_return control::error_reply(!ids ? ids.error() : timeout.error());

  const auto targets = *ids ? **ids : context.parts.directory.all_ids();
  auto lines = std::make_shared<LineStream>(context.parts.context.get_executor());
  const std::string_view text(script->get_string());
  eval_to_lines(context.parts.evals, lines, Question::eval(text), targets, *timeout,
                [context, by = call.by, about = script_words(text)](const std::string& outcome) {
                  audit(context, by, fleet::EventKind::eval, "eval of " + about + ": " + outcome);
                });
  co_return lines;
}

net::Task<> watch_respawn(std::shared_ptr<RespawnWatch> watch, Millis delay, Millis timeout,
                          std::map<ShardName, ShardId> by_name, std::shared_ptr<LineStream> lines) {
  co_await watch->run(
      delay, timeout,
      [&](const ShardName& name, Millis after) {
        lines->push(json::serialize(bj::object{{"shard", by_name.at(name).value},
                                               {"name", name.str()},
                                               {"state", "back"},
                                               {"after_ms", after.count()},
                                               {"sure", watch->is_sure(name)}}));
      },
      [&](const ShardName& name, std::int64_t refused) {
        auto why = refused == 0 ? "not back in time" + watch->what_it_waits_for(name)
                                : "Discord refuses its bot with close code " + std::to_string(refused) +
                                      ": " + std::string(fleet::refusal_words(refused));
        lines->push(json::serialize(bj::object{{"shard", by_name.at(name).value},
                                               {"name", name.str()},
                                               {"state", refused == 0 ? "late" : "refused"},
                                               {"error", std::move(why)}}));
      });
  lines->finish();
}

net::Task<Answer> post_respawn(ControlContext context, Call call) {
  const auto body = selecting_body(call, {"delay_ms", "wait", "timeout_ms"});
  if (!body) co_return control::error_reply(body.error());
  const auto ids = co_await addressed(context.parts.stats, *body);
  const auto delay = milliseconds(*body, "delay_ms", context.parts.settings.respawn_delay);
  const auto timeout = milliseconds(*body, "timeout_ms", Millis{120'000});
  bool wait = false;
  json::read(*body, "wait", wait);
  if (!ids || !delay || !timeout) {
    co_return control::error_reply(!ids ? ids.error() : !delay ? delay.error() : timeout.error());
  }

  auto lines = std::make_shared<LineStream>(context.parts.context.get_executor());
  auto watch = std::make_shared<RespawnWatch>(context.parts.respawns);
  Slice slice(context.parts.slices, kForOperators);
  co_await slice.next();
  const auto targets = co_await respawn_targets(context.parts.directory, slice, *ids);
  for (std::size_t i = 0; wait && i < targets.size(); ++i) {
    if (slice.over()) co_await slice.next();
    watch->add(targets[i]);
  }
  respawn(context.parts.respawns, targets, *delay);
  std::int64_t turn = 0;
  std::vector<ShardId> told;
  std::map<ShardName, ShardId> by_name;
  for (const auto& target : targets) {
    if (slice.over()) co_await slice.next();
    bj::object line{{"shard", target.id.value}, {"name", name_value(target.name)}};
    if (target.connected) {
      line["state"] = "sent";
      line["delay_ms"] = turn++ * delay->count();
      told.push_back(target.id);
      if (wait) by_name.emplace(*target.name, target.id);
    } else {
      line["state"] = "missing";
      line["error"] = target.name ? "not connected; it is told when it returns" : "no shard has this id";
    }
    lines->push(json::serialize(line));
  }
  audit(context, call.by, fleet::EventKind::respawn,
        "respawn of " + std::to_string(told.size()) + " of " + std::to_string(targets.size()) + " shards" +
            (told.empty() ? "" : ", ids " + fleet::id_ranges(told)));
  if (!wait) {
    lines->finish();
    co_return lines;
  }
  lines->on_gone = [watch] { watch->cancel(); };
  context.parts.tasks.spawn("watch a respawn",
                            watch_respawn(watch, *delay, *timeout, std::move(by_name), lines),
                            [lines] { lines->finish(); });
  co_return lines;
}

/// Generates configs while `left` is not 0; several of these run concurrently.
net::Task<> generate_some(Registrar& registrar, std::shared_ptr<LineStream> lines,
                          std::shared_ptr<std::int64_t> left, bool master, Deliver deliver, std::string by,
                          std::shared_ptr<int> workers) {
  while (co_await lines->room() && *left > 0) {
    --*left;
    const auto made = co_await registrar.generate(master, deliver, by);
    if (!made) {
      *left = 0;  // the next one would fail as well
      lines->push(control::error_reply(made.error()).body);
      break;
    }
    bj::object line{{"name", made->name.str()}};
    if (deliver == Deliver::file) {
      line["path"] = made->path.string();
    } else {
      line["config"] = *json::parse(made->config);
    }
    lines->push(json::serialize(line));
  }
  if (--*workers == 0) lines->finish();
}

Answer post_genconfig(ControlContext& context, const Call& call) {
  const auto body = body_object(call);
  if (!body) return control::error_reply(body.error());
  bool master = false;
  bool as_text = false;
  std::int64_t count = 1;
  json::read(*body, "master", master);
  json::read(*body, "inline", as_text);
  json::read(*body, "count", count);
  if (count < 1 || count > kMaxGenerate)
    return usage("\"count\" is from 1 to " + std::to_string(kMaxGenerate));
  auto lines = std::make_shared<LineStream>(context.parts.context.get_executor());
  const auto left = std::make_shared<std::int64_t>(count);
  const auto workers = std::make_shared<int>(2);  // as many as the pool for slow work has threads
  // If the client disconnects, no further config is started: nobody would receive it.
  lines->on_gone = [left] { *left = 0; };
  for (int i = 0; i < 2; ++i) {
    context.parts.tasks.spawn("generate configs",
                              generate_some(context.parts.registrar, lines, left, master,
                                            as_text ? Deliver::text : Deliver::file, call.by, workers),
                              [lines] { lines->finish(); });
  }
  return lines;
}

enum class Moving { reshard, rebalance, drain };

net::Task<Answer> post_moving(ControlContext context, Call call, Moving what) {
  constexpr std::int64_t kMostShards = 100'000;
  const auto body = body_object(call);
  if (!body) co_return control::error_reply(body.error());
  Reshard request;
  const auto timeout = milliseconds(*body, "timeout_ms", Millis{3'600'000});
  if (!timeout) co_return control::error_reply(timeout.error());
  request.timeout = *timeout;
  json::read(*body, "dry_run", request.dry_run);
  json::read(*body, "wait", request.wait);
  if (what == Moving::drain) {
    json::read(*body, "host", request.drain.emplace());
    if (request.drain->empty()) co_return usage("\"host\" is missing or not a host's label");
  }
  if (what == Moving::reshard) {
    std::int64_t count = -1;
    json::read(*body, "count", count);
    if (count < 0 || count > kMostShards)
      co_return usage("\"count\" is from 0 to " + std::to_string(kMostShards));
    request.count = ShardCount{static_cast<std::int32_t>(count)};
    std::string strategy = "auto";
    json::read(*body, "strategy", strategy);
    request.strategy = fleet::parse_strategy(strategy);
    if (!request.strategy && strategy != "auto")
      co_return usage("\"strategy\" is auto, rolling, blue-green or at-once");
  }
  request.by = call.by;
  auto lines = co_await reshard(context.parts.reshard, std::move(request));
  if (!lines) co_return control::error_reply(lines.error());
  co_return std::move(*lines);
}

net::Task<Answer> post_reshard(ControlContext context, Call call) {
  return post_moving(std::move(context), std::move(call), Moving::reshard);
}
net::Task<Answer> post_rebalance(ControlContext context, Call call) {
  return post_moving(std::move(context), std::move(call), Moving::rebalance);
}
net::Task<Answer> post_drain(ControlContext context, Call call) {
  return post_moving(std::move(context), std::move(call), Moving::drain);
}

Answer post_stop(ControlContext& context, const Call& call) {
  audit(context, call.by, fleet::EventKind::control, "stop requested");
  net::asio::post(context.parts.context, context.stop);
  return json_reply(bj::object{{"stopping", true}});
}

/// A handler: a function that answers at once, or a coroutine.
using Handle =
    std::variant<Answer (*)(ControlContext&, const Call&), net::Task<Answer> (*)(ControlContext, Call)>;

struct Route {
  std::string_view method;
  std::string_view path;
  Handle handle;
};

const Route kRoutes[] = {
    {"GET", "/v1/stats", get_stats},
    {"GET", "/v1/shard", get_shard},
    {"GET", "/v1/checks", get_checks},
    {"GET", "/v1/server", get_server},
    {"GET", "/v1/history", get_history},
    {"GET", "/v1/events", get_events},
    {"GET", "/v1/alerts", get_alerts},
    {"POST", "/v1/silence", post_silence},
    {"DELETE", "/v1/silence", delete_silence},
    {"POST", "/v1/eval", post_eval},
    {"POST", "/v1/logs", post_logs},
    {"POST", "/v1/respawn", post_respawn},
    {"POST", "/v1/reboot", post_reboot},
    {"POST", "/v1/genconfig", post_genconfig},
    {"GET", "/v1/join-tokens", get_join_tokens},
    {"POST", "/v1/join-tokens", post_join_token},
    {"DELETE", "/v1/join-tokens", delete_join_token},
    {"POST", "/v1/shards/import", post_import},
    {"POST", "/v1/shards/history", post_import_history},
    {"POST", "/v1/shards/master-key", post_import_key},
    {"GET", "/v1/keys/rotation", get_rotation},
    {"POST", "/v1/keys/rotation", post_rotation},
    {"DELETE", "/v1/shards", delete_shards},
    {"POST", "/v1/reshard", post_reshard},
    {"POST", "/v1/rebalance", post_rebalance},
    {"POST", "/v1/drain", post_drain},
    {"POST", "/v1/undrain", post_undrain},
    {"POST", "/v1/sql", post_sql},
    {"GET", "/v1/file", get_file},
    {"PUT", "/v1/file", put_file},
    {"DELETE", "/v1/file", delete_file},
    {"POST", "/v1/file/push", post_push},
    {"POST", "/v1/file/fetch", post_fetch},
    {"POST", "/v1/update", post_update},
    {"GET", "/v1/config", get_config},
    {"GET", "/v1/log-level", get_log_level},
    {"POST", "/v1/log-level", post_log_level},
    {"GET", "/v1/members", get_members},
    {"POST", "/v1/step-down", post_step_down},
    {"POST", "/v1/stop", post_stop},
};

}  // namespace

net::Task<Answer> handle_control(ControlContext context, Call call) {
  if (!context.leads && !is_local(call.path)) {
    co_return control::error_reply(fail(ErrorKind::unavailable, "this server does not lead; try again"));
  }
  bool known_path = false;
  for (const auto& route : kRoutes) {
    if (route.path != call.path) continue;
    known_path = true;
    if (route.method != call.method) continue;
    if (const auto* const at_once = std::get_if<0>(&route.handle)) co_return (*at_once)(context, call);
    co_return co_await std::get<1>(route.handle)(std::move(context), std::move(call));
  }
  if (known_path) co_return Reply{405, R"({"error":"this path takes another method","kind":"usage"})"};
  co_return control::error_reply(fail(ErrorKind::not_found, "the control API has no " + call.path));
}

}  // namespace smaster::server
