// What an agent tells of its bot beside the figures of a ShardStatus: in the status' field `bot`, which
// shards that are no agents do not have.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <optional>
#include <string>

namespace smaster::fleet {

struct BotReport {
  std::string agent;               ///< the agent's version
  std::string state;               ///< "stopped", "waiting" (to be started again), "running", "stopping"
  std::optional<bool> ready;       ///< whether it is logged in; nothing when it does not say
  std::int64_t pid = -1;           ///< its process; −1 while there is none
  std::int64_t deaths = 0;         ///< times that it has died by itself since the agent started
  bool crash_loop = false;         ///< it dies again and again
  std::string last_exit;           ///< how it ended last: "exit 1", "signal 9"; empty: it has not
  std::int64_t next_start_in = 0;  ///< milliseconds, while it waits
  bool operator==(const BotReport&) const = default;
};

/// Fields of the wrong type keep their value; texts are cut where they are too long.
void read(const boost::json::object& from, BotReport& report);
[[nodiscard]] boost::json::object to_json(const BotReport& report);

}  // namespace smaster::fleet
