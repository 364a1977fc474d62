#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <utility>

#include "base/text.hpp"
#include "json/json.hpp"
#include "net/clock.hpp"
#include "server/api/request.hpp"
#include "server/api/routes.hpp"
#include "server/requests/hosts.hpp"

namespace smaster::server {
namespace {

namespace bj = boost::json;
using control::Answer;
using control::Call;

constexpr Millis kLongestSilence{30LL * 86'400'000};
constexpr std::size_t kMostWords = 200;

/// What a silence is about: {host?, shard?}; neither: all alerts.
std::string words_of_silence(const Silence& silence) {
  if (silence.id) return "alerts about id " + std::to_string(silence.id->value);
  return silence.host.empty() ? "all alerts" : "alerts about host " + silence.host;
}

Result<Silence> read_silence(const bj::object& body) {
  Silence silence;
  json::read(body, "host", silence.host);
  json::read(body, "why", silence.why);
  if (silence.host.size() > kMostWords || silence.why.size() > kMostWords) {
    return fail(ErrorKind::usage, "\"host\" and \"why\" have at most 200 bytes");
  }
  std::int64_t id = -1;
  json::read(body, "shard", id);
  if (id >= 0) silence.id = ShardId{static_cast<std::int32_t>(std::min<std::int64_t>(id, 1'000'000))};
  return silence;
}

}  // namespace

/// Answer: {alerts: [{key, text, since, silenced}], silences: [{host, shard, until, by, why}], ids, ids_down}
Answer get_alerts(ControlContext& context, const Call&) {
  const auto& alerts = context.parts.alerts;
  bj::array active;
  for (const auto& each : alerts.book().active()) active.push_back(alert_json(each));
  bj::array silences;
  for (const auto& each : alerts.book().silences()) silences.push_back(to_json(each));
  return json_reply(bj::object{{"alerts", std::move(active)},
                               {"silences", std::move(silences)},
                               {"ids", alerts.conditions().ids()},
                               {"ids_down", alerts.conditions().ids_down()},
                               {"trouble", alerts.trouble()}});
}

/// Request: {host?, shard?, for_ms, why?}
net::Task<Answer> post_silence(ControlContext context, Call call) {
  const auto body = body_object(call);
  if (!body) co_return control::error_reply(body.error());
  auto silence = read_silence(*body);
  if (!silence) co_return control::error_reply(silence.error());
  if (!silence->host.empty()) {
    const auto known = co_await check_host(context.parts.directory, context.parts.slices, silence->host);
    if (!known) co_return control::error_reply(known.error());
  }
  std::int64_t length = 0;
  json::read(*body, "for_ms", length);
  if (length <= 0 || Millis{length} > kLongestSilence) co_return usage("\"for_ms\" is from 1 ms to 30 days");
  silence->until = net::fleet_clock() + Millis{length};
  silence->by = call.by;
  auto shown = to_json(*silence);
  const auto words = words_of_silence(*silence);
  const auto until = format_duration(Millis{length});
  auto wanted = std::move(*silence);
  const auto why = wanted.why.empty() ? "" : " (" + wanted.why + ')';
  const auto saved = co_await context.parts.alerts.silence(std::move(wanted));
  if (!saved) co_return control::error_reply(saved.error());
  audit(context, call.by, fleet::EventKind::control, words + " are silenced for " + until + why);
  co_return json_reply(shown);
}

/// Request: {host?, shard?}
net::Task<Answer> delete_silence(ControlContext context, Call call) {
  const auto body = body_object(call);
  if (!body) co_return control::error_reply(body.error());
  const auto silence = read_silence(*body);
  if (!silence) co_return control::error_reply(silence.error());
  auto host = silence->host;
  const auto ended = co_await context.parts.alerts.unsilence(std::move(host), silence->id);
  if (!ended) co_return control::error_reply(ended.error());
  audit(context, call.by, fleet::EventKind::control,
        words_of_silence(*silence) + " are not silenced any more");
  co_return json_reply(bj::object{{"ended", true}});
}

}  // namespace smaster::server
