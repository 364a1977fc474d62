// Respawning shards: each is told its delay, so that they restart one by one; and watching until each is
// back.
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
#include "net/task_scope.hpp"
#include "server/fairness/slices.hpp"
#include "server/planning/order_sender.hpp"
#include "server/shards/directory.hpp"

namespace smaster::server {

/// What respawns work with.
struct RespawnParts {
  net::asio::io_context& context;
  Directory& directory;
  OrderSender& sender;
  Slices& slices;
  net::TaskScope& tasks;
};

/// A shard to respawn.
struct RespawnTarget {
  ShardId id;
  std::optional<ShardName> name;  ///< none when no shard has the id
  bool connected = false;
};

/// Who has these ids, or all of the goal that shards have, in order of id.
[[nodiscard]] std::vector<RespawnTarget> respawn_targets(
    const Directory& directory, const std::optional<std::vector<ShardId>>& ids = std::nullopt);

/// Tells the connected ones to respawn, the nth after n × `delay`; the others are told when they return.
void respawn(const RespawnParts& parts, std::vector<RespawnTarget> targets, Millis delay);

/// How discord.js' respawnAll goes from shard to shard; its defaults.
struct RollOptions {
  Millis shard_delay{5'000};  ///< at least, from one shard's respawn to the next one's
  Millis timeout{30'000};     ///< how long a shard may take to come back before the next one's turn
};
[[nodiscard]] RollOptions read_roll_options(const boost::json::object& options);

/// The respawns that shards ask for (`respawnAll`): one at a time of each, and few altogether, since each
/// lasts for as long as the fleet takes.
class Respawns {
 public:
  /// Under way at once.
  static constexpr std::size_t kMost = 16;

  explicit Respawns(const RespawnParts& parts) : parts_(parts) {}

  /// As `respawn`. not_permitted while one that `who` asked for is under way, unavailable while too many are.
  Result<void> respawn(const ShardName& who, std::vector<RespawnTarget> targets, Millis delay);
  /// One after the other, each when the one before is back.
  Result<void> roll(const ShardName& who, std::vector<RespawnTarget> targets, RollOptions options);

 private:
  Result<void> begin(const ShardName& who, const std::function<net::Task<>()>& make);

  const RespawnParts parts_;
  std::shared_ptr<std::set<ShardName>> under_way_ = std::make_shared<std::set<ShardName>>();  ///< who asked
};

/// Watches shards that were told to respawn until each runs again: it has reported another start time, or
/// that it stopped and started, or has reconnected, and then the id it should have.
class RespawnWatch : public std::enable_shared_from_this<RespawnWatch> {
 public:
  using OnBack = std::function<void(const ShardName&, Millis after)>;
  /// Called at the end for each that is not back in time.
  using OnLate = std::function<void(const ShardName&)>;

  explicit RespawnWatch(const RespawnParts& parts);
  /// Call before `respawn`: what is true now is what must change. One that is not connected is not waited
  /// for.
  void add(const RespawnTarget& target);
  /// Ends when all are back, at the end of the time (`delay` for each and `timeout`), or when it is
  /// cancelled.
  net::Task<> run(Millis delay, Millis timeout, OnBack on_back, OnLate on_late);
  void cancel();

 private:
  struct Before {
    Time start_time;
    bool stopped = false;  ///< has reported that it runs nothing
    bool ready = false;    ///< was logged in, and can be waited for to be so again
  };

  [[nodiscard]] bool is_back(const ShardName& name, Before& before) const;

  const RespawnParts parts_;
  net::Timer timer_;
  Instant begun_;
  std::map<ShardName, Before> waiting_;
  bool cancelled_ = false;
};

}  // namespace smaster::server
