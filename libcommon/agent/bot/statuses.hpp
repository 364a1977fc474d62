// Makes a ShardStatus: the bot's own figures where it gave any, the kernel's otherwise. Source: WIRE.md,
// "ShardStatus"; what a bot answers to `this.getStats(true)`, and discord.js' client.
#pragma once

#include <sys/types.h>

#include <boost/json/object.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "agent/bot/bot_life.hpp"
#include "agent/bot/proc.hpp"
#include "records/shard_info.hpp"

namespace smaster::agent {

/// A count that nobody knows, such as a bot's messages when it does not say; −1 means none, as with ids.
inline constexpr double kUnknown = -1;

/// What the agent knows of its bot.
struct BotFacts {
  std::string name;
  bool is_master = false;
  std::optional<Assignment> goal;        ///< what the master wants; nothing: no bot
  std::optional<Assignment> assignment;  ///< what the live process was started as
  Time start_time = fleet::kNever;
  Time stop_time = fleet::kNever;
  pid_t pid = -1;  ///< of the bot itself
  Memory tree{};   ///< of the bot and all that it started
};

/// Asks a bot for its figures, the first in SpikeyBot's way, the other of any discord.js client.
inline constexpr std::string_view kStatsScripts[] = {
    "this.getStats(true)",
    "({memory: process.memoryUsage(), ping: this.ws ? this.ws.ping : -1})",
};

class Statuses {
 public:
  /// `figures`: what the bot answered, if it did. Reads /proc.
  [[nodiscard]] fleet::ShardStatus compose(const BotFacts& facts, const boost::json::object* figures,
                                           Time now, const Storage& storage);

 private:
  Cores cores_;
  Time last_ = fleet::kNever;
  Time last_start_ = fleet::kNever;  ///< of the bot whose messages were counted
  double messages_ = kUnknown;
};

}  // namespace smaster::agent
