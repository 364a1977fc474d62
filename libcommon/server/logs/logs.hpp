// What bots print: asks the selected shards' agents for their last lines, and passes on new ones while
// readers follow. The text of the lines is passed on as it came; readers sort it by time. Agents that nobody
// follows send nothing.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "control/stream.hpp"
#include "net/task_scope.hpp"
#include "server/fairness/slices.hpp"
#include "server/requests/eval.hpp"
#include "server/shards/directory.hpp"
#include "server/shards/shard_session.hpp"

namespace smaster::server {

/// What a reader wants.
struct LogRequest {
  std::vector<ShardId> ids;
  bool all = false;         ///< `ids` are all of the goal; a follower also gets those that are added later
  std::int64_t lines = -1;  ///< only so many of each bot, the newest; −1: all that its agent has kept
  std::int64_t age = -1;    ///< only lines of so many milliseconds; −1: of any age
  bool follow = false;      ///< goes on with new lines until the reader leaves
  Millis timeout = kEvalTimeout;  ///< for the agents' first answers
};

class Logs {
 public:
  struct Parts {
    Directory& directory;
    Evals& evals;
    Slices& slices;
    net::TaskScope& tasks;
  };
  /// Maximum number of readers that follow.
  static constexpr std::size_t kMostFollowers = 16;
  /// Number of bytes for the first answers of all agents together, and for new lines of all in a second.
  static constexpr std::size_t kFirstBytes = 64u << 20;
  static constexpr std::size_t kRate = 8u << 20;

  explicit Logs(const Parts& parts) : parts_(parts) {}

  /// Writes lines as man 7 smaster-control describes, in any order of time: `{shard, name, host, lines}` or
  /// `{shard, name, error}`, then `{"end": …}`. A follower's stream goes on after that; `{"tick": …}` shows
  /// it that all lines of one interval before have been passed on. Errors: unavailable if too many follow.
  [[nodiscard]] Result<void> read(const LogRequest& request, std::shared_ptr<control::LineStream> lines);

  /// An agent's event `logLines`.
  void pushed(ShardSession& session, const Shard& shard, const socketio::Arguments& arguments);

  [[nodiscard]] std::size_t followers() const { return followers_.size(); }

 private:
  struct Reader;
  /// What is known of the lines of one process.
  struct Tail {
    ShardRef shard;            ///< its connection when it was asked last
    std::string ring;          ///< the agent's id of its lines
    std::uint64_t next = 0;    ///< number of the last line that was passed on
    std::vector<ShardId> ids;  ///< its ids, the last that it had
    Instant asked{};
    std::optional<socketio::AckId> waits;  ///< for the answer
  };
  struct Batch;

  void answered(Reader& reader, const EvalAnswer& answer);
  void ended(const std::shared_ptr<Reader>& reader);
  Tail& tail_of(const Shard& shard);
  void pass_on(Tail& tail, const Shard& shard, const Batch& batch);
  net::Task<> follow();
  net::Task<> renew();
  net::Task<> renew(const Reader& of, Slice& slice);
  void ask(Shard& shard);
  void tick(Reader& reader);
  /// Number of ids of the follower that has most.
  [[nodiscard]] std::size_t targets() const;
  [[nodiscard]] Millis every() const;
  [[nodiscard]] std::string follow_part() const;

  const Parts parts_;
  std::list<std::shared_ptr<Reader>> followers_;
  std::map<ShardName, Tail> tails_;
  net::Busy following_;
};

}  // namespace smaster::server
