#include "server/eval.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <utility>

#include "base/text.hpp"
#include "json/json.hpp"
#include "server/core.hpp"
#include "server/shard_session.hpp"

namespace smaster::server {
namespace {

/// Whether an ack's first argument says that there was no error: JavaScript's falsy values.
bool no_error(std::string_view json) {
  return json == "null" || json == "false" || json == "\"\"" || json == "0";
}

}  // namespace

Eval::Eval(Core& core) : core_(core), timer_(core.context.get_executor()) {}

std::shared_ptr<Eval> Eval::start(Core& core, const std::string& script, const std::vector<ShardId>& ids,
                                  Millis timeout, OnAnswer on_answer, OnEnd on_end) {
  auto eval = std::make_shared<Eval>(core);
  eval->on_answer_ = std::move(on_answer);
  eval->on_end_ = std::move(on_end);
  net::asio::post(core.context,
                  [eval, quoted = json::quote(script), ids, timeout] { eval->ask(quoted, ids, timeout); });
  return eval;
}

void Eval::ask(const std::string& quoted_script, const std::vector<ShardId>& ids, Millis timeout) {
  if (!on_end_) return;
  const auto by_id = core_.fleet.by_id();
  for (const auto id : ids) {
    const auto found = by_id.find(id);
    if (found == by_id.end()) {
      missing(id, std::nullopt, "no shard has this id");
    } else if (auto& shard = *found->second; !shard.joined) {
      missing(id, shard.info.id, "not connected");
    } else {
      auto& waiting = waiting_.emplace(id, Waiting{shard.info.id}).first->second;
      waiting.ack_id =
          shard.session->request("evalRequest", {quoted_script},
                                 [self = shared_from_this(), id](const socketio::Arguments* arguments) {
                                   self->answered(id, arguments);
                                 });
    }
  }
  timer_.expires_after(timeout);
  timer_.async_wait([self = shared_from_this(), timeout](boost::system::error_code error) {
    if (!error) self->give_up(timeout);
  });
  finish_if_done();
}

void Eval::answered(ShardId id, const socketio::Arguments* arguments) {
  const auto node = waiting_.extract(id);
  if (node.empty() || !on_end_) return;
  const auto& name = node.mapped().name;
  if (arguments == nullptr) {
    missing(id, name, "disconnected before it answered (an answer above [limits] max_payload does that too)");
  } else {
    const auto& values = arguments->json;
    const bool ok = values.empty() || no_error(values.front());
    const std::string_view text = !ok ? values.front() : values.size() > 1 ? values[1] : "null";
    on_answer_({ok ? EvalAnswer::Kind::result : EvalAnswer::Kind::error, id, name, std::string(text),
                arguments->attachments});
  }
  finish_if_done();
}

void Eval::missing(ShardId id, std::optional<ShardName> name, std::string_view why) {
  on_answer_({EvalAnswer::Kind::missing, id, std::move(name), json::quote(why), {}});
}

void Eval::give_up(Millis timeout) {
  for (const auto& [id, waiting] : std::exchange(waiting_, {})) {
    if (auto* shard = core_.fleet.find(waiting.name); shard != nullptr && shard->session != nullptr) {
      shard->session->forget(waiting.ack_id);
    }
    missing(id, waiting.name, "no answer within " + format_duration(timeout));
  }
  finish_if_done();
}

void Eval::finish_if_done() {
  if (!waiting_.empty() || !on_end_) return;
  timer_.cancel();
  const auto on_end = std::exchange(on_end_, nullptr);
  on_answer_ = nullptr;
  on_end();
}

void Eval::cancel() {
  timer_.cancel();
  waiting_.clear();
  on_answer_ = nullptr;
  on_end_ = nullptr;
}

std::vector<ShardId> all_ids(Core& core) {
  std::vector<ShardId> ids;
  for (std::int32_t id = 0; id < core.fleet.goal().value; ++id) ids.push_back(ShardId{id});
  return ids;
}

void broadcast_eval(Core& core, const std::string& script, std::function<void(const BroadcastResult&)> then) {
  struct Gathered {
    BroadcastResult result;
    std::vector<std::string> slots;
    std::size_t missing = 0;
    std::string first_error = "null";
  };
  // As the original does: only ids that registered shards have are asked, and the array is as long as those.
  std::int32_t registered = 0;
  for (const auto& [name, shard] : core.fleet.shards()) {
    if (!shard.info.is_master && shard.info.registered()) ++registered;
  }
  std::vector<ShardId> ids;
  for (const auto& [id, shard] : core.fleet.by_id()) {
    if (shard->info.registered()) ids.push_back(id);
  }
  auto length = std::max(std::min(registered, core.fleet.goal().value), 0);
  if (!ids.empty()) length = std::max(length, ids.back().value + 1);
  auto gathered = std::make_shared<Gathered>();
  gathered->slots.assign(static_cast<std::size_t>(length), "null");

  const auto on_answer = [gathered](const EvalAnswer& answer) {
    auto& attachments = gathered->result.attachments;
    // A packet carries only so many attachments; what does not fit, and what an error brings, travels as
    // text.
    const bool fits = attachments.size() + answer.attachments.size() <= socketio::kMaxAttachments;
    auto text = answer.attachments.empty() ? Result<std::string>(answer.json)
                : fits && answer.kind == EvalAnswer::Kind::result
                    ? socketio::shift_placeholders(answer.json, answer.attachments.size(), attachments.size())
                    : socketio::inline_attachments(answer.json, answer.attachments);
    if (answer.kind == EvalAnswer::Kind::missing || !text) {
      ++gathered->missing;
    } else if (answer.kind == EvalAnswer::Kind::error) {
      if (gathered->first_error == "null") gathered->first_error = std::move(*text);
    } else {
      gathered->slots[static_cast<std::size_t>(answer.shard.value)] = std::move(*text);
      if (fits) attachments.insert(attachments.end(), answer.attachments.begin(), answer.attachments.end());
    }
  };
  const auto on_end = [gathered, asked = ids.size(), then = std::move(then)] {
    auto& result = gathered->result;
    result.error = gathered->first_error;
    if (asked == 0) {
      result.error = R"("No Shards")";
    } else if (result.error == "null" && gathered->missing > 0) {
      result.error = json::quote("Not all shards answered (" + std::to_string(asked - gathered->missing) +
                                 "/" + std::to_string(asked) + ")");
    }
    result.results = socketio::join_array({gathered->slots.begin(), gathered->slots.end()});
    then(result);
  };
  Eval::start(core, script, ids, kEvalTimeout, on_answer, on_end);
}

}  // namespace smaster::server
