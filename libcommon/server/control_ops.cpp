#include "server/control_ops.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "json/json.hpp"
#include "server/control_parts.hpp"
#include "server/core.hpp"
#include "server/reboot.hpp"

namespace smaster::server {
namespace {

namespace bj = boost::json;
using control::Answer;
using control::Call;
using control::LineStream;
using control::Reply;

}  // namespace

/// {"what": "bots" | "programs" | "all" | "master", and of the first two who is addressed}.
Answer post_reboot(ControlContext& context, const Call& call) {
  const auto body = body_object(call);
  if (!body) return control::error_reply(body.error());
  auto ids = addressed(context.core, *body);
  if (!ids) return control::error_reply(ids.error());
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
    return usage("\"what\" is bots, programs, all or master");
  }
  auto lines = std::make_shared<LineStream>(context.core.context.get_executor());
  for (const auto& shard : reboot(context.core, request)) {
    bj::object line{{"shard", shard.id.value},
                    {"name", name_value(shard.name)},
                    {"state", shard.told ? "sent" : "missing"}};
    if (!shard.told) line["error"] = shard.name ? "not connected" : "no shard has this id";
    lines->push(json::serialize(line));
  }
  lines->finish();
  return lines;
}

/// {"statement": "…"}; {columns, rows} or {affectedRows, insertId, changedRows}, blobs as base64.
net::Task<Answer> post_sql(ControlContext context, Call call) {
  const auto body = body_object(call);
  std::string statement;
  if (body) json::read(*body, "statement", statement);
  if (!body || statement.empty()) co_return usage("\"statement\" is missing or not a text");
  std::optional<Result<sql::Outcome>> outcome;
  net::Timer done(context.core.context.get_executor(), net::Timer::time_point::max());
  context.core.sql.run(std::move(statement), sql::Access::write, [&](Result<sql::Outcome> ran) {
    outcome = std::move(ran);
    done.cancel();
  });
  boost::system::error_code ignored;
  co_await done.async_wait(net::asio::redirect_error(net::use_task, ignored));
  if (!*outcome) co_return control::error_reply(outcome->error());
  const auto text = (*outcome)->with_base64();
  if ((*outcome)->columns.empty()) co_return Reply{200, text};
  std::string columns;
  for (const auto& column : (*outcome)->columns)
    columns += (columns.empty() ? "" : ",") + json::quote(column);
  std::string json = R"({"columns":[)" + columns + R"(],"rows":)" + text + '}';
  co_return Reply{200, std::move(json)};
}

}  // namespace smaster::server
