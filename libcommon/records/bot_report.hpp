// The agent's report about its bot: field `bot` of a status. Shards without an agent do not send it.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/types.hpp"

namespace smaster::fleet {

/// The state of one shard id's gateway connection, as reported by its bot.
struct GatewayReport {
  ShardId id;
  std::string state;             ///< "waiting" (to log in), "logging in", "ready", "disconnected", "refused"
  std::int64_t code = 0;         ///< close code of the last connection; 0: not closed
  std::int64_t ping = -1;        ///< round trip of a heartbeat in milliseconds; −1: unknown
  std::int64_t acks_missed = 0;  ///< heartbeats sent since the last acknowledgement
  std::int64_t events = 0;       ///< since the process started
  std::int64_t last_event = -1;  ///< milliseconds since the last event; −1: none yet
  std::int64_t guilds = -1;      ///< −1: unknown
  std::int64_t logins = 0;       ///< IDENTIFYs since the process started
  std::int64_t resumes = 0;      ///< resumed sessions since the process started
  std::int64_t loop_delay = -1;  ///< longest delay of the bot's event loop in milliseconds; −1: unknown
  std::int64_t heard = -1;       ///< age of these figures in milliseconds; −1: never reported
  bool operator==(const GatewayReport&) const = default;
};

struct BotReport {
  std::string agent;          ///< the agent's version
  std::string state;          ///< "stopped", "waiting" (for a restart), "running" or "stopping"
  std::optional<bool> ready;  ///< logged in; unset: the bot does not report it
  bool asks = false;          ///< asks before each login, so its process may be started at any time
  std::string hooks;          ///< libraries that the hooks found in the bot
  std::vector<GatewayReport> gateways;
  std::optional<bool> askable;  ///< answers requests such as evals; unset: it has not written anything yet
  std::int64_t pid = -1;        ///< process id; −1: none
  double cpu = -1;              ///< CPU time of it and its descendants per time, in cores; −1: unknown
  std::int64_t deaths = 0;      ///< deaths without a request to stop, since the agent's start
  bool crash_loop = false;      ///< the bot dies repeatedly
  std::string last_exit;        ///< how the last process ended: "exit 1", "signal 9"; empty: none has
  std::vector<std::string> last_lines;  ///< the last lines of its output, if it died by itself
  std::int64_t next_start_in = 0;       ///< milliseconds until a restart, in state "waiting"
  bool operator==(const BotReport&) const = default;
};

/// Fields of the wrong type are ignored; long texts and lists are truncated.
void read(const boost::json::object& from, BotReport& report);
[[nodiscard]] boost::json::object to_json(const BotReport& report);

}  // namespace smaster::fleet
