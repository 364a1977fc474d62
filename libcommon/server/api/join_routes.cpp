#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <utility>

#include "base/text.hpp"
#include "json/json.hpp"
#include "net/clock.hpp"
#include "server/api/http_api.hpp"
#include "server/api/request.hpp"
#include "server/api/routes.hpp"
#include "wire/join/join_messages.hpp"

namespace smaster::server {
namespace {

namespace bj = boost::json;
namespace http = boost::beast::http;
using control::Answer;
using control::Call;
using wire::JoinRefusal;

constexpr std::size_t kMostLabel = 64;

/// A token for operators, without its secret.
bj::object token_json(const JoinToken& token) {
  bj::array shards;
  for (const auto& use : token.used) shards.emplace_back(use.shard);
  const auto now = net::wall_clock();
  return {{"id", token.id},
          {"host", token.host},
          {"processes", token.processes},
          {"shards_per_process", token.shards_per_process},
          {"uses", token.uses},
          {"until", to_unix_ms(token.until)},
          {"state", now >= token.until ? "expired"
                    : token.good(now)  ? "valid"
                                       : "used up"},
          {"by", token.by},
          {"shards", std::move(shards)}};
}

/// Reads a whole number from 1 to `most`; `otherwise` if it is missing.
Result<std::int64_t> read_number(const bj::object& body, const char* key, std::int64_t most,
                                 std::int64_t otherwise) {
  std::int64_t number = otherwise;
  json::read(body, key, number);
  if (number >= 1 && number <= most) return number;
  return fail(ErrorKind::usage, '"' + std::string(key) + "\" is from 1 to " + std::to_string(most));
}

http::status status_of(JoinRefusal refusal) {
  switch (refusal) {
    case JoinRefusal::malformed:
      return http::status::bad_request;
    case JoinRefusal::unknown:
    case JoinRefusal::expired:
    case JoinRefusal::used_up:
    case JoinRefusal::other_key:
      return http::status::forbidden;
    case JoinRefusal::too_many:
      return http::status::too_many_requests;
    case JoinRefusal::follows:
    case JoinRefusal::busy:
    case JoinRefusal::failed:
      return http::status::service_unavailable;
  }
  return http::status::internal_server_error;
}

}  // namespace

net::Task<Answer> get_join_tokens(ControlContext context, Call) {
  const auto tokens = co_await context.parts.joining.list();
  if (!tokens) co_return control::error_reply(tokens.error());
  bj::array list;
  for (const auto& token : *tokens) list.push_back(token_json(token));
  co_return json_reply(bj::object{{"tokens", std::move(list)}});
}

/// Request: {host?, processes?, shards_per_process?, uses?, valid_ms}. Answer: the token with its line and
/// the URLs in it.
net::Task<Answer> post_join_token(ControlContext context, Call call) {
  const auto body = body_object(call);
  if (!body) co_return control::error_reply(body.error());
  const auto processes = read_number(*body, "processes", wire::kMostProcesses, 1);
  const auto shards = read_number(*body, "shards_per_process", wire::kMostShardsPerProcess, 1);
  const auto uses = read_number(*body, "uses", static_cast<std::int64_t>(TokenBook::kMostUses), 1);
  const auto valid = read_number(*body, "valid_ms", Millis(TokenBook::kLongest).count(), 3'600'000);
  for (const auto* const each : {&processes, &shards, &uses, &valid}) {
    if (!*each) co_return control::error_reply(each->error());
  }
  Joining::Wanted wanted{{},
                         static_cast<int>(*processes),
                         static_cast<int>(*shards),
                         static_cast<std::size_t>(*uses),
                         Millis{*valid},
                         call.by};
  json::read(*body, "host", wanted.host);
  if (wanted.host.size() > kMostLabel) co_return usage("\"host\" has at most 64 bytes");
  const auto made = co_await context.parts.joining.make(std::move(wanted));
  if (!made) co_return control::error_reply(made.error());
  const auto& token = made->token;
  audit(context, call.by, fleet::EventKind::control,
        "join token " + token.id + " made" + (token.host.empty() ? "" : " for host " + token.host) +
            ", for " + std::to_string(token.uses) + (token.uses == 1 ? " use" : " uses") + ", valid for " +
            format_duration(Millis{*valid}));
  auto reply = token_json(token);
  reply["line"] = made->line;
  reply["urls"] = bj::array(made->urls.begin(), made->urls.end());
  co_return json_reply(reply);
}

net::Task<Answer> delete_join_token(ControlContext context, Call call) {
  const auto given = call.query.find("id");
  if (given == call.query.end()) co_return usage("\"id\" is missing in the query");
  const auto id = given->second;
  const auto revoked = co_await context.parts.joining.revoke(id);
  if (!revoked) co_return control::error_reply(revoked.error());
  audit(context, call.by, fleet::EventKind::control, "join token " + id + " revoked");
  co_return json_reply(bj::object{{"revoked", id}});
}

net::Task<net::Answer> answer_join(const HttpParts& parts, net::Response response, std::string body,
                                   std::string address, std::string leader) {
  auto outcome = co_await parts.joining.join(std::move(body), std::move(address));
  response.set(http::field::content_type, "application/json");
  response.result(outcome.refused ? status_of(*outcome.refused) : http::status::ok);
  if (outcome.refused == JoinRefusal::too_many) {
    response.set(http::field::retry_after,
                 std::to_string(std::chrono::ceil<std::chrono::seconds>(parts.settings.conn_time).count()));
  }
  response.body() =
      outcome.refused
          ? wire::refusal_text(*outcome.refused, outcome.refused == JoinRefusal::follows ? leader : "")
          : std::move(outcome.text);
  response.prepare_payload();
  co_return response;
}

}  // namespace smaster::server
