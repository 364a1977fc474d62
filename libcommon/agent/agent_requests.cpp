// Requests of a bot, passed on to the master.
#include <algorithm>
#include <utility>

#include "agent/agent.hpp"
#include "json/json.hpp"

namespace smaster::agent {
namespace {

/// The master waits 15 s for its shards, then answers with the results it has.
constexpr Millis kEvalPatience{30'000};
constexpr Millis kSqlPatience{300'000};
constexpr Millis kMessagePatience{15'000};
constexpr Millis kLongestMessage{3'600'000};  ///< as at the master
/// Maximum number of a bot's unanswered requests, and of the bytes that their answers repeat.
constexpr std::size_t kMostAsked = 10'000;
constexpr std::size_t kMostAskedBytes = 32u << 20;
/// Added to the timeout that the master uses for other shards.
constexpr Millis kMargin{5'000};

std::string whom(const std::optional<std::int64_t>& shard) {
  return shard ? R"({"shard":)" + std::to_string(*shard) + '}' : R"({"all":true})";
}

}  // namespace

void Agent::bot_request(Request request, std::string reply) {
  if (asked_->count >= kMostAsked || asked_->bytes + reply.size() > kMostAskedBytes) {
    return channel_->reply(
        reply, error_outcome("Error",
                             "too much that this bot has asked for waits for its answer; ask again "
                             "when some has come"));
  }
  std::visit([&](auto& wanted) { on_bot(std::move(wanted), std::move(reply)); }, request);
}

Agent::Answer Agent::answer_to_bot(std::string reply) {
  ++asked_->count;
  asked_->bytes += reply.size();
  const std::shared_ptr<void> waits(asked_.get(), [asked = asked_, size = reply.size()](void*) {
    --asked->count;
    asked->bytes -= size;
  });
  return [this, reply = std::move(reply), generation = bot_generation_, waits](const Outcome& outcome) {
    if (bot_ && generation == bot_generation_) channel_->reply(reply, outcome);
  };
}

void Agent::on_bot(request::Eval eval, std::string reply) {
  requests_.send({"broadcastEval",
                  {json::quote(eval.script), whom(eval.shard)},
                  {},
                  kEvalPatience,
                  answer_to_bot(std::move(reply))});
}

void Agent::on_bot(request::FetchProp fetch, std::string reply) {
  requests_.send({"fetchClientValues",
                  {json::quote(fetch.prop), whom(fetch.shard)},
                  {},
                  kEvalPatience,
                  answer_to_bot(std::move(reply))});
}

void Agent::on_bot(request::RespawnAll respawn, std::string) {
  uplink_.emit("respawnAll", {respawn.options_json});
}

void Agent::on_bot(request::Sql sql, std::string reply) {
  requests_.send_or_keep(
      {"sendSQL", {json::quote(sql.query)}, {}, kSqlPatience, answer_to_bot(std::move(reply))});
}

void Agent::on_bot(request::Reboot reboot, std::string) {
  uplink_.emit("reboot", {json::quote(reboot.text)});
}

void Agent::on_bot(request::Message message, std::string reply) {
  const auto timeout = std::min(message.timeout.value_or(kMessagePatience), kLongestMessage);
  requests_.send(
      {"sendMessage",
       {message.to_json.empty() ? "null" : std::move(message.to_json), std::move(message.data_json),
        message.wants_reply ? std::to_string(timeout.count()) : "null"},
       {},
       timeout + kMargin,
       answer_to_bot(std::move(reply))});
}

void Agent::on_bot(request::WriteFile file, std::string reply) {
  const auto answer = answer_to_bot(std::move(reply));
  shared_.tasks.spawn("send a file", send_file(std::move(file.name), answer), failed(answer));
}

void Agent::on_bot(request::GetFile file, std::string reply) {
  std::string what = R"({"filename":)" + json::quote(file.name);
  if (file.mtime) what += R"(,"mtime":)" + std::to_string(*file.mtime);
  auto answer = answer_to_bot(std::move(reply));
  requests_.send_or_keep({"getFile", {what + '}'}, {}, kSqlPatience, [this, answer](const Outcome& outcome) {
                            shared_.tasks.spawn("finish getting a file", finish_get_file(outcome, answer),
                                                failed(answer));
                          }});
}

}  // namespace smaster::agent
