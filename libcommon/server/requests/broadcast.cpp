// Broadcasts of shards: an eval over many shards, collected into one answer.
#include <algorithm>
#include <boost/asio/post.hpp>
#include <utility>

#include "json/json.hpp"
#include "server/requests/eval.hpp"

namespace smaster::server {
namespace {

/// Collects answers, each at its index.
class Gathered {
 public:
  Gathered(std::size_t places, RoomFor room_for)
      : rooms_(std::move(room_for)), places_(places, "null"), answered_(places) {}

  void add(std::size_t place, const EvalAnswer& answer) {
    if (answer.kind != EvalAnswer::Kind::missing && !rooms_.take(answer)) {
      if (error_ == "null")
        error_ = json::quote("the answers together are too large; ask for less, or fewer at once");
      return;
    }
    auto text = with_attachments(answer);
    if (answer.kind == EvalAnswer::Kind::missing || !text) {
      missing_ += answer.shards.size();
    } else if (answer.kind == EvalAnswer::Kind::error) {
      if (error_ == "null") error_ = std::move(*text);
    } else {
      places_.at(place) = std::move(*text);
      answered_[place] = true;
    }
  }

  [[nodiscard]] std::size_t missing() const { return missing_; }
  [[nodiscard]] const std::string& error() const { return error_; }
  [[nodiscard]] const std::vector<std::string>& places() const { return places_; }
  [[nodiscard]] std::string array() const { return socketio::join_array({places_.begin(), places_.end()}); }
  /// The answers without gaps, in order: a process with several ids has given one.
  [[nodiscard]] std::string answers() const {
    std::vector<std::string_view> answers;
    for (std::size_t place = 0; place < places_.size(); ++place) {
      if (answered_[place]) answers.push_back(places_[place]);
    }
    return socketio::join_array(answers);
  }
  [[nodiscard]] const std::vector<std::string>& attachments() const { return attachments_; }

 private:
  /// A packet carries a limited number of attachments. Attachments beyond that, and those of errors, become
  /// text.
  Result<std::string> with_attachments(const EvalAnswer& answer) {
    if (answer.attachments.empty()) return answer.json;
    const bool fits = attachments_.size() + answer.attachments.size() <= socketio::kMaxAttachments;
    if (!fits || answer.kind != EvalAnswer::Kind::result) {
      return socketio::inline_attachments(answer.json, answer.attachments);
    }
    auto text = socketio::shift_placeholders(answer.json, answer.attachments.size(), attachments_.size());
    if (text) attachments_.insert(attachments_.end(), answer.attachments.begin(), answer.attachments.end());
    return text;
  }

  AnswerRooms rooms_;
  std::vector<std::string> places_;
  std::vector<bool> answered_;
  std::vector<std::string> attachments_;
  std::string error_ = "null";
  std::size_t missing_ = 0;
};

/// An error as discord.js makes it; the codes and sentences are its own (errors/Messages.js).
BroadcastResult discord_error(const std::string& code, const std::string& message) {
  const auto name = "Error [" + code + ']';
  return {R"({"name":)" + json::quote(name) + R"(,"message":)" + json::quote(message) + R"(,"code":)" +
              json::quote(code) + R"(,"stack":)" + json::quote(name + ": " + message) + '}',
          "null",
          {}};
}

/// Calls back in a later turn of the loop, never from within the caller.
void answer_later(Evals& evals, OnBroadcast then, BroadcastResult result) {
  net::asio::post(evals.context, [then = std::move(then), result = std::move(result)] { then(result); });
}

}  // namespace

void broadcast_eval(Evals& evals, Question question, OnBroadcast then, Millis timeout) {
  // As in the original server: only ids of registered shards are asked, and they determine the array's
  // length.
  auto ids = evals.directory.all_ids();
  std::erase_if(ids, [&evals](ShardId id) {
    const auto* const shard = evals.directory.holder(id);
    return shard == nullptr || !shard->info.registered();
  });
  if (ids.empty()) return answer_later(evals, std::move(then), {R"("No Shards")", "[]", {}});
  const auto registered = static_cast<std::int64_t>(evals.directory.registered());
  const auto length = std::max(std::min<std::int64_t>(registered, evals.directory.goal().value),
                               ids.back().value + std::int64_t{1});
  auto gathered = std::make_shared<Gathered>(static_cast<std::size_t>(length), question.room_for);
  Eval::start(
      evals, std::move(question), ids, timeout,
      [gathered](const EvalAnswer& answer) {
        gathered->add(static_cast<std::size_t>(answer.shard.value), answer);
      },
      [gathered, asked = ids.size(), then = std::move(then)] {
        BroadcastResult result{gathered->error(), gathered->array(), gathered->attachments()};
        if (result.error == "null" && gathered->missing() > 0) {
          result.error =
              json::quote("Not all shards answered (" + std::to_string(asked - gathered->missing()) + "/" +
                          std::to_string(asked) + ")");
        }
        then(result);
      });
}

void broadcast_as_discord(Evals& evals, Question question, std::optional<std::int64_t> shard,
                          OnBroadcast then) {
  const auto goal = evals.directory.goal().value;
  if (goal < 1)
    return answer_later(evals, std::move(then),
                        discord_error("ShardingNoShards", "No shards have been spawned."));
  if (shard && (*shard < 0 || *shard >= goal)) {
    return answer_later(
        evals, std::move(then),
        discord_error("ShardingShardNotFound", "Shard " + std::to_string(*shard) + " could not be found."));
  }
  const auto connected = [&evals](ShardId id) {
    const auto* const holder = evals.directory.holder(id);
    return holder != nullptr && holder->connected();
  };
  auto ids = evals.directory.all_ids();
  if (shard) ids.assign(1, ShardId{static_cast<std::int32_t>(*shard)});
  if (!std::all_of(ids.begin(), ids.end(), connected)) {
    return answer_later(evals, std::move(then),
                        shard
                            ? discord_error("ShardingNoChildExists", "Shard " + std::to_string(*shard) +
                                                                         " has no active process or worker.")
                            : discord_error("ShardingInProcess", "Shards are still being spawned."));
  }
  struct State {
    Gathered gathered;
    OnBroadcast then;
  };
  auto state = std::make_shared<State>(State{Gathered(ids.size(), question.room_for), std::move(then)});
  const auto finish = [state](const BroadcastResult& result) {
    if (const auto answer = std::exchange(state->then, nullptr)) answer(result);
  };
  Eval::start(
      evals, std::move(question), ids, kEvalTimeout,
      [state, finish, first = ids.front().value](const EvalAnswer& answer) {
        state->gathered.add(static_cast<std::size_t>(answer.shard.value - first), answer);
        if (answer.kind == EvalAnswer::Kind::missing) finish({answer.json, "null", {}});
        if (answer.kind == EvalAnswer::Kind::error) finish({state->gathered.error(), "null", {}});
      },
      [state, finish, one = shard.has_value()] {
        const auto& gathered = state->gathered;
        if (gathered.error() != "null") return finish({gathered.error(), "null", {}});
        finish({"null", one ? gathered.places().front() : gathered.answers(), gathered.attachments()});
      });
}

}  // namespace smaster::server
