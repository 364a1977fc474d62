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
  [[nodiscard]] std::vector<std::string> take_places() { return std::move(places_); }
  /// The answers without gaps, in order: a process with several ids has given one.
  [[nodiscard]] std::vector<std::string> take_answers() {
    std::vector<std::string> answers;
    for (std::size_t place = 0; place < places_.size(); ++place) {
      if (answered_[place]) answers.push_back(std::move(places_[place]));
    }
    return answers;
  }
  [[nodiscard]] std::vector<std::string> take_attachments() { return std::move(attachments_); }

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
  net::asio::post(evals.context, [then = std::move(then), result = std::move(result)]() mutable {
    then(std::move(result));
  });
}

/// An array that is being joined.
class Joining : public std::enable_shared_from_this<Joining> {
 public:
  Joining(net::asio::io_context& context, std::vector<std::string> values,
          std::function<void(std::string)> then)
      : context_(context), values_(std::move(values)), then_(std::move(then)) {
    std::size_t size = 3;  // the brackets, and room for one character more
    for (const auto& value : values_) size += value.size() + 1;
    array_.reserve(size);
  }

  void go_on() {
    const auto end = array_.size() + kPiece;
    for (; at_ < values_.size() && array_.size() < end; ++at_) {
      array_ += at_ == 0 ? '[' : ',';
      array_ += std::exchange(values_[at_], {});
    }
    if (at_ < values_.size())
      return net::asio::post(context_, [self = shared_from_this()] { self->go_on(); });
    if (values_.empty()) array_ += '[';
    array_ += ']';
    then_(std::move(array_));
  }

 private:
  /// Per turn of the loop, in bytes; a single value may be more.
  static constexpr std::size_t kPiece = 512u << 10;

  net::asio::io_context& context_;
  std::vector<std::string> values_;
  std::function<void(std::string)> then_;
  std::size_t at_ = 0;
  std::string array_;
};

}  // namespace

void join_later(net::asio::io_context& context, std::vector<std::string> values,
                std::function<void(std::string)> then) {
  const auto joining = std::make_shared<Joining>(context, std::move(values), std::move(then));
  net::asio::post(context, [joining] { joining->go_on(); });
}

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
      [&context = evals.context, gathered, asked = ids.size(), then = std::move(then)] {
        auto error = gathered->error();
        if (error == "null" && gathered->missing() > 0) {
          error = json::quote("Not all shards answered (" + std::to_string(asked - gathered->missing()) +
                              "/" + std::to_string(asked) + ")");
        }
        // What was gathered holds its part of the memory budget until then.
        join_later(context, gathered->take_places(),
                   [gathered, error = std::move(error), then](std::string array) {
                     then({error, std::move(array), gathered->take_attachments()});
                   });
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
  const auto finish = [state](BroadcastResult result) {
    if (const auto answer = std::exchange(state->then, nullptr)) answer(std::move(result));
  };
  Eval::start(
      evals, std::move(question), ids, kEvalTimeout,
      [state, finish, first = ids.front().value](const EvalAnswer& answer) {
        state->gathered.add(static_cast<std::size_t>(answer.shard.value - first), answer);
        if (answer.kind == EvalAnswer::Kind::missing) finish({answer.json, "null", {}});
        if (answer.kind == EvalAnswer::Kind::error) finish({state->gathered.error(), "null", {}});
      },
      [&context = evals.context, state, finish, one = shard.has_value()] {
        auto& gathered = state->gathered;
        if (gathered.error() != "null") return finish({gathered.error(), "null", {}});
        if (one) return finish({"null", gathered.take_places().front(), gathered.take_attachments()});
        join_later(context, gathered.take_answers(), [state, finish](std::string array) {
          finish({"null", std::move(array), state->gathered.take_attachments()});
        });
      });
}

}  // namespace smaster::server
