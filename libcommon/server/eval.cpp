#include "server/eval.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <map>
#include <utility>

#include "base/text.hpp"
#include "json/json.hpp"
#include "server/core.hpp"
#include "server/shard_session.hpp"

namespace smaster::server {
Eval::Eval(Core& core) : core_(core), timer_(core.context.get_executor()) {}

Question Question::eval(std::string_view script) {
  auto quoted = json::quote(script);
  return {"evalRequest", {quoted}, quoted};
}

Question Question::fetch_prop(std::string_view path) {
  std::string script = "this";
  for (std::string_view rest = path; !rest.empty();) {
    const auto dot = rest.find('.');
    script += '[' + json::quote(rest.substr(0, dot)) + ']';
    rest.remove_prefix(dot == std::string_view::npos ? rest.size() : dot + 1);
  }
  return {"fetchProp", {json::quote(path)}, json::quote(script)};
}

Question Question::message(std::string_view data, ShardId from) {
  return {"message", {std::string(data), std::to_string(from.value)}, std::nullopt};
}

std::shared_ptr<Eval> Eval::start(Core& core, Question question, const std::vector<ShardId>& ids,
                                  Millis timeout, OnAnswer on_answer, OnEnd on_end) {
  auto eval = std::make_shared<Eval>(core);
  eval->on_answer_ = std::move(on_answer);
  eval->on_end_ = std::move(on_end);
  net::asio::post(core.context, [eval, question = std::move(question), ids, timeout] {
    eval->ask(question, ids, timeout);
  });
  return eval;
}

void Eval::ask(const Question& question, const std::vector<ShardId>& ids, Millis timeout) {
  if (!on_end_) return;
  ++core_.metrics.evals;
  begun_ = std::chrono::steady_clock::now();
  const auto by_id = core_.fleet.by_id();
  std::shared_ptr<const std::string> for_agents, for_others;
  std::map<ShardName, ShardId> shared;  // a process that runs several ids answers once
  for (const auto id : ids) {
    const auto found = by_id.find(id);
    if (found == by_id.end()) {
      missing({id}, std::nullopt, "no shard has this id");
    } else if (auto& shard = *found->second; !shard.connected) {
      missing({id}, shard.info.id, "not connected");
    } else if (const bool agent = shard.session->is_agent(); !agent && !question.script) {
      missing({id}, shard.info.id, "run by no agent, which this needs");
    } else if (const auto first = shared.find(shard.info.id); first != shared.end()) {
      waiting_.at(first->second.value).shards.push_back(id);
    } else {
      if (shard.info.goal.ids.size() > 1) shared.emplace(shard.info.id, id);
      auto& waiting = waiting_.emplace(id.value, Waiting{shard.info.id, {id}}).first->second;
      auto& payload = agent ? for_agents : for_others;
      if (!payload) {
        payload = agent ? socketio::event_payload(question.event,
                                                  {question.arguments.begin(), question.arguments.end()})
                        : socketio::event_payload("evalRequest", {*question.script});
      }
      waiting.ack_id = shard.session->request(
          payload,
          [self = shared_from_this(), id](const socketio::Arguments* answer) { self->answered(id, answer); });
    }
  }
  timer_.expires_after(timeout);
  timer_.async_wait([self = shared_from_this(), timeout](boost::system::error_code error) {
    if (!error) self->give_up(timeout);
  });
  finish_if_done();
}

void Eval::answered(ShardId id, const socketio::Arguments* arguments) {
  const auto node = waiting_.extract(id.value);
  if (node.empty() || !on_end_) return;
  const auto& name = node.mapped().name;
  if (arguments == nullptr) {
    missing(node.mapped().shards, name,
            "disconnected before it answered (an answer above [limits] max_payload does that too)");
  } else {
    const auto& values = arguments->json;
    const bool ok = values.empty() || !json::truthy(values.front());
    ++core_.metrics.eval_answers[ok ? "result" : "error"];
    core_.metrics.eval_time.add(std::chrono::steady_clock::now() - begun_);
    const std::string_view text = !ok ? values.front() : values.size() > 1 ? values[1] : "null";
    on_answer_({ok ? EvalAnswer::Kind::result : EvalAnswer::Kind::error, id, node.mapped().shards, name,
                std::string(text), arguments->attachments});
  }
  finish_if_done();
}

void Eval::missing(const std::vector<ShardId>& shards, std::optional<ShardName> name, std::string_view why) {
  ++core_.metrics.eval_answers["missing"];
  on_answer_({EvalAnswer::Kind::missing, shards.front(), shards, std::move(name), json::quote(why), {}});
}

void Eval::give_up(Millis timeout) {
  // In the order of their ids, since people read it.
  const auto late = std::exchange(waiting_, {});
  for (const auto& [id, waiting] : std::map<std::int32_t, Waiting>(late.begin(), late.end())) {
    if (auto* shard = core_.fleet.find(waiting.name); shard != nullptr && shard->session != nullptr) {
      shard->session->forget(waiting.ack_id);
    }
    missing(waiting.shards, waiting.name, "no answer within " + format_duration(timeout));
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

}  // namespace smaster::server
