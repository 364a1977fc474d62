// An eval from its start to its last answer: one answer per process, or the reason why there is none, and
// then exactly one end, unless it is cancelled.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/types.hpp"
#include "net/asio.hpp"
#include "server/metrics/metrics.hpp"
#include "server/shards/directory.hpp"
#include "server/shards/reservation.hpp"
#include "wire/socketio/connection.hpp"

namespace smaster::server {

/// The parts that evals use, and the number of awaited answers.
struct Evals {
  /// Maximum number of awaited answers; beyond it, shards' questions are refused.
  static constexpr std::size_t kMostAwaited = 500'000;

  net::asio::io_context& context;
  Directory& directory;
  Metrics& metrics;
  std::size_t awaited = 0;
};

/// Time for shards to answer, as in the original server.
inline constexpr Millis kEvalTimeout{15'000};

/// The answer of one process.
struct EvalAnswer {
  enum class Kind { result, error, missing };
  Kind kind = Kind::missing;
  ShardId shard;                  ///< the first of `shards`
  std::vector<ShardId> shards;    ///< the asked ids that the answering process runs
  std::optional<ShardName> name;  ///< unset: no shard has the id
  std::string json;               ///< the result or the error as JSON; for missing, a sentence as JSON
  std::vector<std::string> attachments;
};

/// A memory budget for this many bytes; null if there is none.
using RoomFor = std::function<std::shared_ptr<void>(std::size_t bytes)>;

/// The memory budget of answers that are collected.
class AnswerRooms {
 public:
  /// `room_for`: null: unlimited.
  explicit AnswerRooms(RoomFor room_for) : room_for_(std::move(room_for)) {}
  /// False if there is no budget for the answer.
  [[nodiscard]] bool take(const EvalAnswer& answer);

 private:
  RoomFor room_for_;
  std::vector<std::shared_ptr<void>> held_;
};

/// A question to shards. Agents know several events, other shards (WIRE.md) only scripts.
struct Question {
  std::string event;                      ///< for an agent
  std::vector<std::string> arguments;     ///< JSON
  std::optional<std::string> script;      ///< JSON, for other shards; unset: they cannot be asked
  std::shared_ptr<void> place = nullptr;  ///< memory budget, held until it is sent and all answers are in
  RoomFor room_for = nullptr;             ///< for answers that are collected; null: unlimited
  bool wants_answer = true;               ///< otherwise each shard's answer is null when the question is sent

  /// Runs a script.
  [[nodiscard]] static Question eval(std::string_view script);
  /// The same with the script as a JSON string.
  [[nodiscard]] static Question eval_json(std::string script);
  /// The value at a path of the bot's client, such as "guilds.cache.size".
  [[nodiscard]] static Question fetch_prop(std::string_view path);
  /// Another bot's request. `data`: JSON.
  [[nodiscard]] static Question message(std::string_view data, ShardId from);
};

/// A script in words for the list of events: its first 200 bytes, its size and its SHA-256.
[[nodiscard]] std::string script_words(std::string_view script);

class Eval : public std::enable_shared_from_this<Eval> {
 public:
  using OnAnswer = std::function<void(const EvalAnswer&)>;
  using OnEnd = std::function<void()>;

  /// Asks these shard ids of the present goal. Both callbacks are called from the context, never from within
  /// `start`.
  static std::shared_ptr<Eval> start(Evals& evals, Question question, const std::vector<ShardId>& ids,
                                     Millis timeout, OnAnswer on_answer, OnEnd on_end);
  explicit Eval(Evals& evals);
  /// Ends the eval; no callback is called any more.
  void cancel();

 private:
  struct Waiting {
    ShardRef shard;
    std::vector<ShardId> shards;
    socketio::AckId ack_id = 0;
  };

  /// The callbacks. Shared with a running call, since it may cancel the eval.
  struct Listener {
    OnAnswer on_answer;
    OnEnd on_end;
  };

  struct Target {
    std::vector<ShardId> ids;
    std::optional<ShardName> name;  ///< unset: no shard has the id
  };

  void begin(Millis timeout);
  void find_some(Millis timeout);
  void find_next();
  void forget_some();
  void ask_some();
  void ask(const Target& target);
  void answered(ShardId id, const socketio::Arguments* arguments);
  void missing(const std::vector<ShardId>& shards, std::optional<ShardName> name, std::string_view why);
  void tell(const EvalAnswer& answer);
  void give_up(Millis timeout);
  void give_up_some(std::size_t first, const std::string& time);
  void finish_if_done();

  Evals& evals_;
  net::Timer timer_;
  Instant begun_{};
  std::shared_ptr<const Listener> listener_;  ///< null once it has ended
  Question question_;
  std::shared_ptr<const std::string> for_agents_, for_others_;  ///< the encoded question
  std::vector<ShardId> ids_;
  std::size_t found_ = 0;                    ///< number of ids that have their target
  std::map<ShardName, std::size_t> shared_;  ///< targets with several ids: such a process answers once
  std::vector<Target> targets_;
  std::size_t next_ = 0;                               ///< index of the next target
  std::vector<std::int32_t> late_;                     ///< ids whose timeouts are being reported
  std::unordered_map<std::int32_t, Waiting> waiting_;  ///< by shard id
};

/// The answer to a shard's broadcastEval.
struct BroadcastResult {
  std::string error = "null";    ///< JSON; null when every shard answered
  std::string results = "null";  ///< JSON
  std::vector<std::string> attachments;
};
using OnBroadcast = std::function<void(BroadcastResult)>;

/// Joins JSON values into an array and calls `then` with it, in a later turn of the loop. In several turns:
/// together they may be megabytes.
void join_later(net::asio::io_context& context, std::vector<std::string> values,
                std::function<void(std::string)> then);

/// Runs a shard's broadcastEval as the original server does, over the ids of registered shards: the results
/// are an array indexed by shard id, with null for missing ones. Calls back once, never from within.
void broadcast_eval(Evals& evals, Question question, OnBroadcast then, Millis timeout = kEvalTimeout);

/// Asks one shard, or all of the goal, like discord.js' ShardingManager: the result is the value of the one,
/// or an array of all. The first error ends it; missing shards are an error of discord.js' own. Calls back
/// once, never from within.
void broadcast_as_discord(Evals& evals, Question question, std::optional<std::int64_t> shard,
                          OnBroadcast then);

}  // namespace smaster::server
