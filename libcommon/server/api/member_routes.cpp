#include "server/api/routes.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "records/shard_info.hpp"
#include "server/api/request.hpp"
#include "server/cluster/candidacy.hpp"
#include "server/cluster/peer_link.hpp"

namespace smaster::server {
namespace {

namespace bj = boost::json;

constexpr std::array<std::string_view, 5> kLocal{"/v1/members", "/v1/server", "/v1/stop", "/v1/config",
                                                 "/v1/log-level"};

Error alone() {
  return fail(ErrorKind::not_permitted,
              "this server stands alone: [store] url is not set, and nobody else can lead");
}

}  // namespace

bool is_local(std::string_view path) { return std::find(kLocal.begin(), kLocal.end(), path) != kLocal.end(); }

net::Task<control::Answer> get_members(ControlContext context, control::Call) {
  if (context.candidacy == nullptr) co_return control::error_reply(alone());
  auto& candidacy = *context.candidacy;
  auto members = co_await candidacy.members();
  if (!members) co_return control::error_reply(members.error());
  std::sort(members->begin(), members->end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  const auto leader = candidacy.leader();
  bj::array list;
  for (const auto& member : *members) {
    const bool leads = member.name == leader.name;
    bj::object row{{"name", member.name},
                   {"url", member.url},
                   {"version", member.version},
                   {"started", to_unix_ms(member.started)},
                   {"this", member.name == candidacy.self().name}};
    // An unreachable member delays the answer by its timeout of one second; there are few members.
    const auto lag = co_await context.peers->lag(member);
    row["state"] = !lag ? "unreachable" : leads ? "leads" : "stands by";
    row["leadsSince"] = leads ? bj::value(to_unix_ms(leader.leads_since)) : bj::value(nullptr);
    row["lag_ms"] = lag ? bj::value(lag->count()) : bj::value(nullptr);
    if (!lag) row["error"] = lag.error().message;
    list.push_back(std::move(row));
  }
  co_return json_reply(
      bj::object{{"leader", leader.name.empty() ? bj::value(nullptr) : bj::value(leader.name)},
                 {"members", std::move(list)}});
}

net::Task<control::Answer> post_step_down(ControlContext context, control::Call call) {
  if (context.candidacy == nullptr) co_return control::error_reply(alone());
  auto& candidacy = *context.candidacy;
  const auto members = co_await candidacy.members();
  if (!members) co_return control::error_reply(members.error());
  bool somebody = false;
  for (const auto& member : *members) {
    if (member.name == candidacy.self().name) continue;
    const auto lag = co_await context.peers->lag(member);
    somebody = somebody || lag.has_value();
  }
  if (!somebody) {
    co_return control::error_reply(
        fail(ErrorKind::unavailable, "no other server stands by; this one goes on leading"));
  }
  audit(context, call.by, fleet::EventKind::control, "step-down requested");
  net::asio::post(context.parts.context, context.step_down);
  co_return json_reply(bj::object{{"was", candidacy.self().name}});
}

}  // namespace smaster::server
