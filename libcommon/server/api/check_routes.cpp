// GET /v1/checks, for `smaster doctor`.
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "checks/finding.hpp"
#include "server/api/request.hpp"
#include "server/api/routes.hpp"
#include "server/checks/checks.hpp"

namespace smaster::server {

net::Task<control::Answer> get_checks(ControlContext context, control::Call) {
  const auto place = context.parts.operators_answers.take("");
  if (!place) co_return too_many_answers();
  const ChecksOfServer server{context.discord, context.candidacy, context.peers};
  const auto findings = co_await check_server(context.parts.checks, server);
  boost::json::array list;
  for (const auto& finding : findings) list.push_back(checks::to_json(finding));
  co_return json_reply(boost::json::object{{"version", SMASTER_VERSION}, {"findings", std::move(list)}});
}

}  // namespace smaster::server
