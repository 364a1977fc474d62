// What an agent tells of its bot beside the figures of a ShardStatus: in the status' field `bot`, which
// shards that are no agents do not have.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/types.hpp"

namespace smaster::fleet {

/// How one shard id stands with Discord's gateway, as its bot tells.
struct GatewayReport {
  ShardId id;
  std::string state;             ///< "waiting" (to log in), "logging in", "ready", "disconnected", "refused"
  std::int64_t code = 0;         ///< with which the connection was closed; 0: it was not
  std::int64_t ping = -1;        ///< milliseconds, a heartbeat's round trip; −1: not known
  std::int64_t acks_missed = 0;  ///< heartbeats since the last ack
  std::int64_t events = 0;       ///< since the process started
  std::int64_t last_event = -1;  ///< milliseconds since the last one; −1: none yet
  std::int64_t guilds = -1;      ///< −1: not known
  std::int64_t logins = 0;       ///< IDENTIFYs since the process started
  std::int64_t resumes = 0;      ///< the same of resumed sessions
  std::int64_t loop_delay = -1;  ///< milliseconds that the bot's event loop stood, at most; −1: not known
  std::int64_t heard = -1;       ///< milliseconds since the bot last told these figures; −1: it never did
  bool operator==(const GatewayReport&) const = default;
};

struct BotReport {
  std::string agent;          ///< the agent's version
  std::string state;          ///< "stopped", "waiting" (to be started again), "running", "stopping"
  std::optional<bool> ready;  ///< whether it is logged in; nothing when it does not say
  bool asks = false;          ///< it asks before each login, so that its process may start at any time
  std::string hooks;          ///< the libraries that the agent's hooks found in it
  std::vector<GatewayReport> gateways;
  std::optional<bool> askable;     ///< whether it can be asked (evals); nothing when it has not said anything
  std::int64_t pid = -1;           ///< its process; −1 while there is none
  std::int64_t deaths = 0;         ///< times that it has died by itself since the agent started
  bool crash_loop = false;         ///< it dies again and again
  std::string last_exit;           ///< how it ended last: "exit 1", "signal 9"; empty: it has not
  std::int64_t next_start_in = 0;  ///< milliseconds, while it waits
  bool operator==(const BotReport&) const = default;
};

/// Fields of the wrong type keep their value; texts are cut where they are too long, and so is the list.
void read(const boost::json::object& from, BotReport& report);
[[nodiscard]] boost::json::object to_json(const BotReport& report);

}  // namespace smaster::fleet
