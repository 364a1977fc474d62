// Composes a ShardStatus: from the bot's own figures if it gave any, else from the kernel's. Source: WIRE.md,
// "ShardStatus"; for the bot's figures, `this.getStats(true)` of SpikeyBot and discord.js' client.
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

/// An unknown count, such as the messages of a bot that does not report them; encoded as −1, like an unset
/// id.
inline constexpr double kUnknown = -1;

/// What the agent knows about its bot.
struct BotFacts {
  std::string name;
  bool is_master = false;
  std::optional<Assignment> goal;        ///< the assignment that the master wants; nullopt: no bot
  std::optional<Assignment> assignment;  ///< the assignment of the live process
  Time start_time = fleet::kNever;
  Time stop_time = fleet::kNever;
  pid_t pid = -1;  ///< the bot's own process
  Usage tree{};    ///< of the bot and its descendants
};

/// Scripts that ask a bot for its figures: the first is SpikeyBot's, the second works with any discord.js
/// client.
inline constexpr std::string_view kStatsScripts[] = {
    "this.getStats(true)",
    "({memory: process.memoryUsage(), ping: this.ws ? this.ws.ping : -1})",
};

class Statuses {
 public:
  /// `figures`: the bot's answer; null: none. Reads /proc.
  [[nodiscard]] fleet::ShardStatus compose(const BotFacts& facts, const boost::json::object* figures,
                                           Time now, const Storage& storage);
  /// CPU time of the bot and its descendants per time, in cores, between the last statuses; −1: unknown.
  [[nodiscard]] double bot_cpu() const { return bot_cpu_; }

 private:
  void measure_cpu(const BotFacts& facts, Time now);

  Cores cores_;
  double bot_cpu_ = kUnknown;
  double cpu_before_ = kUnknown;  ///< CPU seconds of the bot at `cpu_at_`
  Time cpu_at_ = fleet::kNever;
  Time cpu_start_ = fleet::kNever;  ///< start time of the bot that they belong to
  Time last_ = fleet::kNever;
  Time last_start_ = fleet::kNever;  ///< start time of the bot that messages_ belongs to
  double messages_ = kUnknown;
};

}  // namespace smaster::agent
