// Respawns shards one by one, each after a delay, and watches until each is back.
#pragma once

#include <boost/json/object.hpp>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/types.hpp"
#include "net/asio.hpp"
#include "net/event.hpp"
#include "net/task_scope.hpp"
#include "server/fairness/slices.hpp"
#include "server/planning/order_sender.hpp"
#include "server/shards/directory.hpp"
#include "server/shards/fleet_news.hpp"

namespace smaster::server {

/// The parts that respawns use.
struct RespawnParts {
  net::asio::io_context& context;
  Directory& directory;
  OrderSender& sender;
  FleetNews& news;
  Slices& slices;
  net::TaskScope& tasks;
};

/// A shard to respawn.
struct RespawnTarget {
  ShardId id;
  std::optional<ShardName> name;  ///< unset: no shard has the id
  bool connected = false;
};

/// The shards of these ids, in their order; unset: of all ids of the goal that are assigned. `slice` must
/// have begun.
[[nodiscard]] net::Task<std::vector<RespawnTarget>> respawn_targets(
    const Directory& directory, Slice& slice, std::optional<std::vector<ShardId>> ids = std::nullopt);

/// Tells connected shards to respawn, the nth after n × `delay`, counted from 0; others are told when they
/// return.
void respawn(const RespawnParts& parts, std::vector<RespawnTarget> targets, Millis delay);

/// Options of discord.js' respawnAll, with its defaults.
struct RollOptions {
  Millis shard_delay{5'000};  ///< minimum time between two shards' respawns
  Millis timeout{30'000};     ///< time for a shard to come back before the next one is respawned
};
[[nodiscard]] RollOptions read_roll_options(const boost::json::object& options);

/// Respawns requested by shards (`respawnAll`): one at a time per shard, and few in total, since each takes
/// as long as the fleet needs.
class Respawns {
 public:
  /// Maximum number in progress.
  static constexpr std::size_t kMost = 16;

  explicit Respawns(const RespawnParts& parts) : parts_(parts) {}

  /// Like the function `respawn`, for all shards. Errors: not_permitted while a request of `who` is in
  /// progress, unavailable while kMost are.
  Result<void> respawn(const ShardName& who, Millis delay);
  /// Respawns one shard after another, each when the previous one is back or late. The same errors.
  Result<void> roll(const ShardName& who, RollOptions options);

 private:
  Result<void> begin(const ShardName& who, const std::function<net::Task<>()>& make);

  const RespawnParts parts_;
  std::shared_ptr<std::set<ShardName>> under_way_ = std::make_shared<std::set<ShardName>>();  ///< who asked
};

/// Watches respawned shards until each is back: it has reported another start time or a stop, or has
/// reconnected, and then runs its assignment.
class RespawnWatch {
 public:
  using OnBack = std::function<void(const ShardName&, Millis after)>;
  /// Called for a shard whose new bot Discord refused, with its close code, and at the end with 0 for each
  /// shard that is not back in time.
  using OnFailed = std::function<void(const ShardName&, std::int64_t refused)>;

  explicit RespawnWatch(const RespawnParts& parts);
  /// Call before `respawn`: records the state that must change. A shard that is not connected is not waited
  /// for.
  void add(const RespawnTarget& target);
  /// Returns when all are back, after `delay` for each shard plus `timeout`, or when it is cancelled. This
  /// must live until then.
  net::Task<> run(Millis delay, Millis timeout, OnBack on_back, OnFailed on_failed);
  void cancel();
  /// False if its bot does not say when it is READY, so that it was taken for logged in by time.
  [[nodiscard]] bool is_sure(const ShardName& name) const;
  /// What a late one waits for, after ": "; empty: not known.
  [[nodiscard]] std::string what_it_waits_for(const ShardName& name) const;

 private:
  struct Before {
    Time start_time;
    bool stopped = false;  ///< has reported that it does not run its assignment
    bool ready = false;    ///< was logged in, so it must log in again
    Time refused_process = fleet::kNever;
  };

  net::Task<> nudge(Slice& slice);
  [[nodiscard]] bool is_back(const ShardName& name, Before& before) const;
  /// The close code with which Discord refused the bot since; 0: it did not.
  [[nodiscard]] std::int64_t refused(const ShardName& name, const Before& before) const;

  const RespawnParts parts_;
  net::Event woken_;
  Instant begun_;
  std::map<ShardName, Before> waiting_;
  std::set<ShardName> changed_;  ///< of those, to be looked at
  bool cancelled_ = false;
};

}  // namespace smaster::server
