#include "server/requests/messages.hpp"

#include <boost/asio/post.hpp>
#include <boost/json/object.hpp>
#include <map>
#include <utility>

#include "base/text.hpp"
#include "json/json.hpp"
#include "server/shards/shard_session.hpp"

namespace smaster::server {
namespace {

BroadcastResult failure(const std::string& message) { return {json::quote(message), "null", {}}; }

bool is_all(std::string_view to) { return json::unquote(to) == "all"; }

/// Sends to the connected agents among the targets. `one`: an error if the only target is none of them.
BroadcastResult deliver(Evals& evals, const Question& message, const std::vector<ShardId>& targets,
                        bool one) {
  const std::vector<std::string_view> arguments(message.arguments.begin(), message.arguments.end());
  std::size_t sent = 0;
  for (const auto id : targets) {
    const auto* const holder = evals.directory.holder(id);
    const bool connected = holder != nullptr && holder->connected();
    if (!connected || !holder->session->is_agent()) {
      if (one) {
        return failure("shard " + std::to_string(id.value) + " is " +
                       (connected ? "run by no agent, which this needs" : "not connected"));
      }
      continue;
    }
    holder->session->emit(message.event, arguments);
    ++sent;
  }
  return {"null", std::to_string(sent), {}};
}

std::string reply_line(const EvalAnswer& answer) {
  auto text = socketio::inline_attachments(answer.json, answer.attachments);
  return R"({"shard":)" + std::to_string(answer.shard.value) +
         (answer.kind == EvalAnswer::Kind::result ? R"(,"result":)" : R"(,"error":)") +
         (text ? *text : json::quote(text.error().message)) + '}';
}

}  // namespace

std::optional<ShardId> guild_shard(std::string_view guild, ShardCount count) {
  const auto snowflake = parse_int<std::uint64_t>(guild);
  if (!snowflake || count.value < 1) return std::nullopt;
  return ShardId{static_cast<std::int32_t>((*snowflake >> 22) % static_cast<std::uint64_t>(count.value))};
}

Result<std::vector<ShardId>> message_targets(Evals& evals, std::string_view to, ShardId from) {
  const auto goal = evals.directory.goal();
  if (is_all(to)) {
    auto ids = evals.directory.all_ids();
    std::erase(ids, from);
    return ids;
  }
  const auto value = json::parse(to);
  if (value && value->is_object()) {
    const auto& object = value->get_object();
    std::int64_t shard = -1;
    std::string guild;
    json::read(object, "shard", shard);
    json::read(object, "guild", guild);
    if (!guild.empty()) {
      if (const auto id = guild_shard(guild, goal)) return std::vector{*id};
      return fail(ErrorKind::bad_data,
                  "\"" + guild.substr(0, 40) + "\" is no guild id, or there are no shards");
    }
    if (shard >= 0 && shard < goal.value) return std::vector{ShardId{static_cast<std::int32_t>(shard)}};
    if (object.contains("shard")) return fail(ErrorKind::bad_data, "no shard of the goal has that id");
  }
  return fail(ErrorKind::bad_data, R"(a message is for {"shard":ID}, {"guild":"ID"} or "all")");
}

void send_message(Evals& evals, std::string_view to, std::string_view data, ShardId from,
                  std::optional<Millis> timeout, std::shared_ptr<void> place, OnBroadcast then) {
  const auto targets = message_targets(evals, to, from);
  const bool one = !is_all(to);
  auto message = Question::message(data, from);
  if (!targets || !timeout) {
    auto result = targets ? deliver(evals, message, *targets, one) : failure(targets.error().message);
    net::asio::post(evals.context, [then = std::move(then), result = std::move(result)] { then(result); });
    return;
  }
  message.place = std::move(place);
  auto replies = std::make_shared<std::map<ShardId, EvalAnswer>>();
  Eval::start(
      evals, std::move(message), *targets, *timeout,
      [replies](const EvalAnswer& answer) { replies->emplace(answer.shard, answer); },
      [replies, one, then = std::move(then)] {
        if (one) {
          const auto& answer = replies->begin()->second;
          const bool good = answer.kind == EvalAnswer::Kind::result;
          return then({good ? "null" : answer.json, good ? answer.json : "null", answer.attachments});
        }
        std::vector<std::string> lines;
        for (const auto& [id, answer] : *replies) lines.push_back(reply_line(answer));
        then({"null", socketio::join_array({lines.begin(), lines.end()}), {}});
      });
}

}  // namespace smaster::server
