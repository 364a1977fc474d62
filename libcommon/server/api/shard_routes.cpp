#include "server/api/routes.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <set>
#include <utility>

#include "json/json.hpp"
#include "server/api/request.hpp"
#include "server/requests/registrar.hpp"

namespace smaster::server {
namespace {

namespace bj = boost::json;
using control::Answer;
using control::Call;

}  // namespace

net::Task<Answer> post_import(ControlContext context, Call call) {
  const auto imported = co_await context.parts.registrar.import(std::move(call.body));
  if (!imported) co_return control::error_reply(imported.error());
  co_return json_reply(bj::object{{"added", imported->added}, {"unchanged", imported->unchanged}});
}

net::Task<Answer> post_import_history(ControlContext context, Call call) {
  const auto imported = co_await context.parts.registrar.import_history(std::move(call.body));
  if (!imported) co_return control::error_reply(imported.error());
  co_return json_reply(
      bj::object{{"samples", imported->samples}, {"old", imported->old}, {"unknown", imported->strange}});
}

net::Task<Answer> post_import_key(ControlContext context, Call call) {
  const auto imported =
      co_await context.parts.registrar.import_key(std::move(call.body), call.query.contains("force"));
  if (!imported) co_return control::error_reply(imported.error());
  bj::array dropped;
  for (const auto& name : *imported) dropped.emplace_back(name.str());
  co_return json_reply(bj::object{{"imported", true}, {"revoked", std::move(dropped)}});
}

net::Task<Answer> get_rotation(ControlContext context, Call) {
  const auto& rotation = context.parts.rotation;
  bj::object state{{"active", rotation.active()}};
  if (rotation.active()) {
    Slice slice(context.parts.slices, kForOperators);
    co_await slice.next();
    bj::array behind;
    const auto names = co_await rotation.behind(slice);
    for (const auto& name : names) {
      if (slice.over()) co_await slice.next();
      behind.emplace_back(name.str());
    }
    state["behind"] = std::move(behind);
  }
  co_return json_reply(state);
}

net::Task<Answer> post_rotation(ControlContext context, Call call) {
  const auto body = body_object(call);
  if (!body) co_return control::error_reply(body.error());
  bool finish = false;
  bool force = false;
  json::read(*body, "finish", finish);
  json::read(*body, "force", force);
  Result<void> done;
  if (finish) {
    done = co_await context.parts.rotation.finish(force);
  } else {
    done = co_await context.parts.rotation.begin();
  }
  audit(context, call.by, fleet::EventKind::rotation,
        std::string(finish ? "the end" : "the begin") +
            " of a rotation of the keys: " + (done ? "done" : done.error().message));
  if (!done) co_return control::error_reply(done.error());
  co_return co_await get_rotation(context, std::move(call));
}

net::Task<Answer> delete_shards(ControlContext context, Call call) {
  std::set<ShardName> names;
  const auto [first, last] = call.query.equal_range("name");
  for (auto at = first; at != last; ++at) {
    const auto name = ShardName::parse_seat(at->second);
    if (!name || context.parts.directory.find(*name) == nullptr) {
      co_return control::error_reply(
          fail(ErrorKind::not_found, "no shard is named \"" + at->second + "\"; nobody was revoked"));
    }
    names.merge(context.parts.directory.processes_of(*name));
  }
  if (names.empty()) co_return usage("\"name\" is missing in the query");
  std::vector<ShardName> list(names.begin(), names.end());
  const auto removed = co_await context.parts.registration.remove(std::move(list), call.by);
  if (!removed) {
    co_return control::error_reply(fail(
        removed.error().kind, "revoked, but it would be back after a restart: " + removed.error().message));
  }
  bj::array revoked;
  for (const auto& name : names) revoked.emplace_back(name.str());
  co_return json_reply(bj::object{{"revoked", std::move(revoked)}});
}

}  // namespace smaster::server
