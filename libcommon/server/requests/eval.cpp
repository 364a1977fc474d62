#include "server/requests/eval.hpp"

#include <botan/hash.h>
#include <botan/hex.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <utility>

#include "base/outlet.hpp"
#include "base/text.hpp"
#include "json/json.hpp"
#include "net/clock.hpp"
#include "server/shards/shard_session.hpp"

namespace smaster::server {
namespace {

/// Per turn of the loop: ids that are looked up, timeouts that are reported, and time for asking.
constexpr std::size_t kFoundAtOnce = 1000;
constexpr std::size_t kAnswersInOneTurn = 100;
constexpr Millis kAsking{2};
constexpr std::int32_t kNotAsked = -1;

/// Hashing takes a millisecond per megabyte, on the event loop.
constexpr std::size_t kMostHashed = 1u << 20;
constexpr std::size_t kShownScript = 200;

}  // namespace

std::string script_words(std::string_view script) {
  const auto hash = Botan::HashFunction::create_or_throw("SHA-256");
  const auto hashed = script.substr(0, kMostHashed);
  hash->update(reinterpret_cast<const std::uint8_t*>(hashed.data()), hashed.size());
  const auto shown = outlet::cut(script, kShownScript);
  return std::string(shown) + (shown.size() < script.size() ? "…" : "") + " (" +
         std::to_string(script.size()) + " bytes, SHA-256 " +
         (hashed.size() < script.size() ? "of the first MiB " : "") +
         Botan::hex_encode(hash->final(), false) + ')';
}

bool AnswerRooms::take(const EvalAnswer& answer) {
  if (!room_for_) return true;
  auto bytes = answer.json.size();
  for (const auto& attachment : answer.attachments) bytes += attachment.size();
  held_.push_back(room_for_(bytes));
  return held_.back() != nullptr;
}

Eval::Eval(Evals& evals) : evals_(evals), timer_(evals.context.get_executor()) {}

Question Question::eval(std::string_view script) { return eval_json(json::quote(script)); }

Question Question::eval_json(std::string script) {
  std::vector<std::string> arguments{script};
  return {"evalRequest", std::move(arguments), std::move(script)};
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

std::shared_ptr<Eval> Eval::start(Evals& evals, Question question, const std::vector<ShardId>& ids,
                                  Millis timeout, OnAnswer on_answer, OnEnd on_end) {
  auto eval = std::make_shared<Eval>(evals);
  eval->question_ = std::move(question);
  eval->listener_ = std::make_shared<const Listener>(Listener{std::move(on_answer), std::move(on_end)});
  eval->ids_ = ids;
  net::asio::post(evals.context, [eval, timeout] { eval->begin(timeout); });
  return eval;
}

void Eval::begin(Millis timeout) {
  if (!listener_) return;
  evals_.metrics.evals += question_.wants_answer ? 1 : 0;
  begun_ = net::now();
  find_some(timeout);
}

/// In several turns. The time counts from the beginning, but ends only when it is known who is to be asked.
void Eval::find_some(Millis timeout) {
  if (!listener_) return;
  const auto end = std::min(found_ + kFoundAtOnce, ids_.size());
  while (found_ < end) find_next();
  if (found_ < ids_.size()) {
    return net::asio::post(evals_.context,
                           [self = shared_from_this(), timeout] { self->find_some(timeout); });
  }
  timer_.expires_at(begun_ + timeout);
  timer_.async_wait([self = shared_from_this(), timeout](boost::system::error_code error) {
    if (!error) self->give_up(timeout);
  });
  ask_some();
}

void Eval::find_next() {
  const auto id = ids_[found_++];
  const auto* const holder = evals_.directory.holder(id);
  if (holder == nullptr) return targets_.push_back({{id}, std::nullopt});
  const auto& info = holder->info;
  const bool several = info.goal.ids.size() > 1;
  const auto first = several ? shared_.emplace(info.id, targets_.size()).first->second : targets_.size();
  if (first == targets_.size()) targets_.push_back({{}, info.id});
  targets_[first].ids.push_back(id);
}

/// In several turns: the first answers arrive long before the last of thousands of shards is asked.
void Eval::ask_some() {
  const auto until = net::now() + kAsking;
  while (next_ < targets_.size() && listener_ && late_.empty() && net::now() < until) ask(targets_[next_++]);
  if (!late_.empty()) return;
  if (next_ < targets_.size() && listener_) {
    return net::asio::post(evals_.context, [self = shared_from_this()] { self->ask_some(); });
  }
  finish_if_done();
}

void Eval::ask(const Target& target) {
  const auto& [ids, name] = target;
  auto* const shard = name ? evals_.directory.find(*name) : nullptr;
  if (shard == nullptr) return missing(ids, std::nullopt, "no shard has this id");
  if (!shard->connected()) return missing(ids, name, "not connected");
  const bool agent = shard->session->is_agent();
  if (!agent && !question_.script) return missing(ids, name, "run by no agent, which this needs");
  auto& payload = agent ? for_agents_ : for_others_;
  if (!payload) {
    auto text = agent ? socketio::event_payload(question_.event,
                                                {question_.arguments.begin(), question_.arguments.end()})
                      : socketio::event_payload("evalRequest", {*question_.script});
    // The last frame that waits to be sent holds the budget, too.
    const auto* const data = text.get();
    payload = {data, [text = std::move(text), place = question_.place](const std::string*) {}};
  }
  const auto id = ids.front();
  if (!question_.wants_answer) {
    shard->session->emit(payload);
    return tell({EvalAnswer::Kind::result, id, ids, name, "null", {}});
  }
  const auto ack_id = shard->session->request(
      payload,
      [self = shared_from_this(), id](const socketio::Arguments* answer) { self->answered(id, answer); });
  evals_.awaited += waiting_.emplace(id.value, Waiting{shard->session->ref(), ids, ack_id}).second ? 1 : 0;
}

void Eval::answered(ShardId id, const socketio::Arguments* arguments) {
  const auto node = waiting_.extract(id.value);
  if (node.empty()) return;
  --evals_.awaited;
  if (!listener_) return;
  const auto& name = node.mapped().shard.name;
  if (arguments == nullptr) {
    missing(node.mapped().shards, name,
            "disconnected before it answered (an answer above [limits] max_payload does that too)");
  } else {
    const auto& values = arguments->json;
    const bool ok = values.empty() || !json::truthy(values.front());
    ++evals_.metrics.eval_answers[ok ? "result" : "error"];
    evals_.metrics.eval_time.add(net::now() - begun_);
    const std::string_view text = !ok ? values.front() : values.size() > 1 ? values[1] : "null";
    tell({ok ? EvalAnswer::Kind::result : EvalAnswer::Kind::error, id, node.mapped().shards, name,
          std::string(text), arguments->attachments});
  }
  finish_if_done();
}

void Eval::missing(const std::vector<ShardId>& shards, std::optional<ShardName> name, std::string_view why) {
  ++evals_.metrics.eval_answers["missing"];
  tell({EvalAnswer::Kind::missing, shards.front(), shards, std::move(name), json::quote(why), {}});
}

void Eval::tell(const EvalAnswer& answer) {
  if (const auto listener = listener_) listener->on_answer(answer);
}

/// Reports timeouts in order of ids, for readers; in several turns.
void Eval::give_up(Millis timeout) {
  for (const auto& [id, waiting] : waiting_) late_.push_back(id);
  std::sort(late_.begin(), late_.end());
  for (auto next = next_; next < targets_.size(); ++next) late_.push_back(kNotAsked);
  give_up_some(0, format_duration(timeout));
}

void Eval::give_up_some(std::size_t first, const std::string& time) {
  const auto end = std::min(first + kAnswersInOneTurn, late_.size());
  for (auto at = first; at < end && listener_; ++at) {
    if (late_[at] == kNotAsked) {
      const auto& target = targets_[next_++];
      missing(target.ids, target.name, "not asked within " + time);
      continue;
    }
    const auto node = waiting_.extract(late_[at]);
    if (node.empty()) continue;  // it has answered meanwhile
    --evals_.awaited;
    const auto& waiting = node.mapped();
    if (auto* const session = evals_.directory.session(waiting.shard)) session->forget(waiting.ack_id);
    missing(waiting.shards, waiting.shard.name, "no answer within " + time);
  }
  if (end < late_.size() && listener_) {
    return net::asio::post(evals_.context,
                           [self = shared_from_this(), end, time] { self->give_up_some(end, time); });
  }
  late_.clear();
  finish_if_done();
}

void Eval::finish_if_done() {
  if (!waiting_.empty() || !late_.empty() || next_ < targets_.size() || !listener_) return;
  timer_.cancel();
  const auto listener = std::exchange(listener_, nullptr);
  listener->on_end();
}

void Eval::cancel() {
  timer_.cancel();
  listener_ = nullptr;
  forget_some();
}

/// In several turns.
void Eval::forget_some() {
  for (std::size_t left = kAnswersInOneTurn; left > 0 && !waiting_.empty(); --left) {
    const auto waiting = waiting_.extract(waiting_.begin());
    --evals_.awaited;
    const auto& shard = waiting.mapped().shard;
    if (auto* const session = evals_.directory.session(shard)) session->forget(waiting.mapped().ack_id);
  }
  if (!waiting_.empty())
    net::asio::post(evals_.context, [self = shared_from_this()] { self->forget_some(); });
}

}  // namespace smaster::server
