// An eval from its start to its last answer: one answer from each shard, or the reason why there is none, and
// then an end, always, exactly once.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/types.hpp"
#include "net/asio.hpp"
#include "wire/socketio/connection.hpp"

namespace smaster::server {

class Core;

/// How long shards have to answer; the original's.
inline constexpr Millis kEvalTimeout{15'000};

/// What one shard said.
struct EvalAnswer {
  enum class Kind { result, error, missing };
  Kind kind = Kind::missing;
  ShardId shard;
  std::optional<ShardName> name;  ///< none when no shard has the id
  std::string json;               ///< the result or the error as JSON; for missing, a sentence as JSON
  std::vector<std::string> attachments;
};

class Eval : public std::enable_shared_from_this<Eval> {
 public:
  using OnAnswer = std::function<void(const EvalAnswer&)>;
  using OnEnd = std::function<void()>;

  /// Asks these shard ids of the present goal. Both callbacks are called from the context, never from inside
  /// `start`.
  static std::shared_ptr<Eval> start(Core& core, const std::string& script, const std::vector<ShardId>& ids,
                                     Millis timeout, OnAnswer on_answer, OnEnd on_end);
  explicit Eval(Core& core);
  /// Nobody listens any more.
  void cancel();

 private:
  struct Waiting {
    ShardName name;
    socketio::AckId ack_id = 0;
  };

  void ask(const std::string& quoted_script, const std::vector<ShardId>& ids, Millis timeout);
  void answered(ShardId id, const socketio::Arguments* arguments);
  void missing(ShardId id, std::optional<ShardName> name, std::string_view why);
  void give_up(Millis timeout);
  void finish_if_done();

  Core& core_;
  net::Timer timer_;
  OnAnswer on_answer_;
  OnEnd on_end_;
  std::map<ShardId, Waiting> waiting_;
};

/// The ids that an eval to everybody asks: all of the goal.
[[nodiscard]] std::vector<ShardId> all_ids(Core& core);

/// What a shard's broadcastEval is answered with.
struct BroadcastResult {
  std::string error;    ///< JSON; null when every shard answered
  std::string results;  ///< a JSON array indexed by shard id; null where there is no result
  std::vector<std::string> attachments;
};

/// Runs a shard's broadcastEval over the ids that shards have.
void broadcast_eval(Core& core, const std::string& script, std::function<void(const BroadcastResult&)> then);

}  // namespace smaster::server
