// An eval from its start to its last answer: one answer from each shard, or the reason why there is none, and
// then an end, always, exactly once.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/types.hpp"
#include "net/asio.hpp"
#include "server/metrics/metrics.hpp"
#include "server/shards/directory.hpp"
#include "server/shards/reservation.hpp"
#include "wire/socketio/connection.hpp"

namespace smaster::server {

/// What evals work with, and how many answers they wait for.
struct Evals {
  static constexpr std::size_t kMostAwaited = 500'000;

  net::asio::io_context& context;
  Directory& directory;
  Metrics& metrics;
  std::size_t awaited = 0;
};

/// How long shards have to answer; the original's.
inline constexpr Millis kEvalTimeout{15'000};

/// What one shard said.
struct EvalAnswer {
  enum class Kind { result, error, missing };
  Kind kind = Kind::missing;
  ShardId shard;                  ///< the first of `shards`
  std::vector<ShardId> shards;    ///< those of the asked ones that the answering process runs
  std::optional<ShardName> name;  ///< none when no shard has the id
  std::string json;               ///< the result or the error as JSON; for missing, a sentence as JSON
  std::vector<std::string> attachments;
};

/// What shards are asked. Agents know more events than WIRE.md's shards, which know only scripts.
struct Question {
  std::string event;                      ///< for an agent
  std::vector<std::string> arguments;     ///< JSON
  std::optional<std::string> script;      ///< JSON, for other shards; none: they cannot be asked
  std::shared_ptr<void> place = nullptr;  ///< of the room for questions, until nobody is expected to answer

  /// Run a script.
  [[nodiscard]] static Question eval(std::string_view script);
  /// The value at a path of the bot's client, such as "guilds.cache.size".
  [[nodiscard]] static Question fetch_prop(std::string_view path);
  /// Another bot's request. `data`: JSON.
  [[nodiscard]] static Question message(std::string_view data, ShardId from);
};

class Eval : public std::enable_shared_from_this<Eval> {
 public:
  using OnAnswer = std::function<void(const EvalAnswer&)>;
  using OnEnd = std::function<void()>;

  /// Asks these shard ids of the present goal. Both callbacks are called from the context, never from inside
  /// `start`.
  static std::shared_ptr<Eval> start(Evals& evals, Question question, const std::vector<ShardId>& ids,
                                     Millis timeout, OnAnswer on_answer, OnEnd on_end);
  explicit Eval(Evals& evals);
  /// Nobody listens any more.
  void cancel();

 private:
  struct Waiting {
    ShardRef shard;
    std::vector<ShardId> shards;
    socketio::AckId ack_id = 0;
  };

  /// Who listens: shared with a call that is under way, since it may cancel the eval.
  struct Listener {
    OnAnswer on_answer;
    OnEnd on_end;
  };

  struct Target {
    std::vector<ShardId> ids;
    std::optional<ShardName> name;  ///< none: no shard has the id
  };

  void begin(Millis timeout);
  void find_some();
  void find_next();
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
  std::shared_ptr<const Listener> listener_;  ///< none once it has ended
  Question question_;
  std::shared_ptr<const std::string> for_agents_, for_others_;  ///< the question as it is sent
  std::vector<ShardId> ids_;
  std::size_t found_ = 0;                    ///< of the ids, those that have their target
  std::map<ShardName, std::size_t> shared_;  ///< targets of several ids: such a process answers once
  std::vector<Target> targets_;
  std::size_t next_ = 0;                               ///< of the targets
  std::vector<std::int32_t> late_;                     ///< ids that are being given up
  std::unordered_map<std::int32_t, Waiting> waiting_;  ///< by shard id
};

/// What a shard's broadcastEval is answered with.
struct BroadcastResult {
  std::string error = "null";    ///< JSON; null when every shard answered
  std::string results = "null";  ///< JSON
  std::vector<std::string> attachments;
};
using OnBroadcast = std::function<void(const BroadcastResult&)>;

/// Runs a shard's broadcastEval over the ids that shards have, as the original master does: the results are
/// an array indexed by shard id, with null where there is none.
void broadcast_eval(Evals& evals, Question question, OnBroadcast then, Millis timeout = kEvalTimeout);

/// Asks one shard, or all of the goal, as discord.js' ShardingManager does for its children: the value of the
/// one, or an array of all; the first error ends it; shards that are missing are an error of discord.js' own.
void broadcast_as_discord(Evals& evals, Question question, std::optional<std::int64_t> shard,
                          OnBroadcast then);

}  // namespace smaster::server
