// Respawning shards: each is told its delay, so that they restart one by one; and watching until each is
// back.
#pragma once

#include <boost/json/object.hpp>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/types.hpp"
#include "net/asio.hpp"

namespace smaster::server {

class Core;

/// A shard to respawn.
struct RespawnTarget {
  ShardId id;
  std::optional<ShardName> name;  ///< none when no shard has the id
  bool connected = false;
};

/// Who has these ids, or all of the goal that shards have, in order of id.
[[nodiscard]] std::vector<RespawnTarget> respawn_targets(
    Core& core, const std::optional<std::vector<ShardId>>& ids = std::nullopt);

/// Tells the connected ones to respawn, the nth after n × `delay`; the others are told when they return.
void respawn(Core& core, const std::vector<RespawnTarget>& targets, Millis delay);

/// How discord.js' respawnAll goes from shard to shard; its defaults.
struct RollOptions {
  Millis shard_delay{5'000};  ///< at least, from one shard's respawn to the next one's
  Millis timeout{30'000};     ///< how long a shard may take to come back before the next one's turn
};
[[nodiscard]] RollOptions read_roll_options(const boost::json::object& options);

/// Respawns one after the other, each when the one before is back. Ends by itself.
void roll(Core& core, std::vector<RespawnTarget> targets, RollOptions options);

/// Watches shards that were told to respawn until each runs again: it has reported another start time, or
/// that it stopped and started, or has reconnected, and then the id it should have.
class RespawnWatch : public std::enable_shared_from_this<RespawnWatch> {
 public:
  using OnBack = std::function<void(const ShardName&, Millis after)>;
  /// Called once: with the shards that were not back in time.
  using OnEnd = std::function<void(const std::vector<ShardName>&)>;

  /// Call before `respawn`: what is true now is what must change.
  RespawnWatch(Core& core, const std::vector<RespawnTarget>& targets);
  void run(Millis delay, Millis timeout, OnBack on_back, OnEnd on_end);
  void cancel();

 private:
  struct Before {
    Time start_time;
    bool stopped = false;  ///< has reported that it runs nothing
    bool ready = false;    ///< was logged in, and can be waited for to be so again
  };

  void look();
  [[nodiscard]] bool is_back(const ShardName& name, Before& before) const;

  Core& core_;
  net::Timer timer_;
  Instant begun_;
  Instant deadline_;
  Instant next_nudge_;
  std::map<ShardName, Before> waiting_;
  OnBack on_back_;
  OnEnd on_end_;
};

}  // namespace smaster::server
