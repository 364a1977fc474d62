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

/// The result of a message without a reply: to how many shards it was sent.
struct Sent {
  std::size_t shards = 0;
  std::string failure;  ///< why a shard was not sent it

  void add(const EvalAnswer& answer) {
    if (answer.kind == EvalAnswer::Kind::result) {
      shards += answer.shards.size();
    } else {
      failure = "shard " + std::to_string(answer.shard.value) + " is " +
                (answer.name ? json::unquote(answer.json).value_or("") : "not connected");
    }
  }
};

std::string reply_line(const EvalAnswer& answer) {
  const auto text = socketio::inline_attachments(answer.json, answer.attachments);
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
    const auto* const sender = evals.directory.holder(from);
    std::erase_if(ids,
                  [&](ShardId id) { return id == from || (sender != nullptr && sender->info.goal.has(id)); });
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

void send_message(Evals& evals, std::string_view to, Question message, ShardId from,
                  std::optional<Millis> timeout, OnBroadcast then) {
  const auto targets = message_targets(evals, to, from);
  if (!targets) {
    return net::asio::post(evals.context,
                           [then = std::move(then), result = failure(targets.error().message)]() mutable {
                             then(std::move(result));
                           });
  }
  const bool one = !is_all(to);
  message.wants_answer = timeout.has_value();
  if (!timeout) {
    auto sent = std::make_shared<Sent>();
    Eval::start(
        evals, std::move(message), *targets, kEvalTimeout,
        [sent](const EvalAnswer& answer) { sent->add(answer); },
        [sent, one, then = std::move(then)] {
          then(one && sent->shards == 0 ? failure(sent->failure)
                                        : BroadcastResult{"null", std::to_string(sent->shards), {}});
        });
    return;
  }
  struct Replies {
    AnswerRooms rooms;
    std::map<ShardId, std::string> lines = {};  ///< of a message to all
    std::optional<EvalAnswer> only = {};        ///< of a message to one
  };
  auto replies = std::make_shared<Replies>(Replies{AnswerRooms(message.room_for)});
  Eval::start(
      evals, std::move(message), *targets, *timeout,
      [replies, one](EvalAnswer answer) {
        if (!replies->rooms.take(answer)) {
          answer.kind = EvalAnswer::Kind::error;
          answer.json = json::quote("the replies together are too large");
          answer.attachments.clear();
        }
        if (one) {
          replies->only = std::move(answer);
        } else {
          replies->lines.emplace(answer.shard, reply_line(answer));
        }
      },
      [replies, one, &context = evals.context, then = std::move(then)] {
        if (one) {
          auto& answer = *replies->only;
          if (answer.kind != EvalAnswer::Kind::result) {
            return then({std::move(answer.json), "null", std::move(answer.attachments)});
          }
          return then({"null", std::move(answer.json), std::move(answer.attachments)});
        }
        std::vector<std::string> lines;
        for (auto& [id, line] : replies->lines) lines.push_back(std::move(line));
        // The replies hold their part of the memory budget until then.
        join_later(context, std::move(lines), [replies, then](std::string array) {
          then({"null", std::move(array), {}});
        });
      });
}

}  // namespace smaster::server
