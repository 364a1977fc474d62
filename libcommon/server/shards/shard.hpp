// A known shard and its present state.
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <vector>

#include "fleet/seat.hpp"
#include "records/bot_report.hpp"
#include "records/history.hpp"
#include "wire/socketio/connection.hpp"

namespace smaster::server {

class ShardSession;

/// What the last status said of a gateway connection, and of a bot: to see what the next one changes.
struct GatewaySeen {
  ShardId id{};
  bool ready = false;
  std::int64_t code = 0;
  std::int64_t logins = 0;
  std::int64_t resumes = 0;
};
struct BotSeen {
  bool known = false;
  std::int64_t pid = -1;
  std::int64_t deaths = 0;
  std::vector<GatewaySeen> gateways{};
  [[nodiscard]] bool same_gateways(const std::vector<fleet::GatewayReport>& reports) const {
    return std::equal(gateways.begin(), gateways.end(), reports.begin(), reports.end(),
                      [](const GatewaySeen& seen, const fleet::GatewayReport& now) {
                        return seen.id == now.id && seen.ready == (now.state == "ready") &&
                               seen.code == now.code && seen.logins == now.logins &&
                               seen.resumes == now.resumes;
                      });
  }
};

/// What an agent tells about itself when it connects.
struct Introduction {
  bool agent = false;  ///< false: a shard without an agent, which tells nothing
  bool only_check = false;
  std::uint32_t capacity = 1;  ///< ids per process
  std::string host;            ///< the label of its host
  std::string kind;            ///< of its bot
  fleet::Holder holder;
  std::optional<bool> root;      ///< runs as root; unset: not told
  std::optional<bool> confined;  ///< cannot gain privileges; unset: not told
};

struct Shard : fleet::Seat {
  using Seat::Seat;
  std::unique_ptr<fleet::ShardStatus> status;  ///< the last one, if any since the start
  ShardSession* session = nullptr;             ///< its live connection; `connected` once it has our proof
  bool dirty = false;                          ///< to be saved with the next flush
  Time seen_saved = fleet::kNever;             ///< `last_seen` of the saved row
  fleet::Assignment listed = {};               ///< its ids in the index (Directory::list)
  fleet::History::Tail* past = nullptr;        ///< its open block of statuses; null before the first one
  Instant status_at{};                         ///< when `status` was received
  Millis correction_pause{};                   ///< minimum time until a wrong goal is corrected again
  Instant corrected{};
  BotSeen bot_seen;                            ///< its status before this one
  unsigned quiet = 0;                          ///< statuses in a row without any message
  std::optional<socketio::AckId> start_asked;  ///< request of its agent to restart its bot, not answered yet
  std::uint64_t registration = 0;  ///< number of this registration; a name registered anew has another
  fleet::Replacements replacements;
  std::optional<fleet::Duplicate> duplicate;  ///< another shard that has its config
  std::optional<bool> agent_root;             ///< Introduction::root of the connected agent
  std::optional<bool> agent_confined;         ///< Introduction::confined
  Time alerted = fleet::kNever;               ///< time of the last alert about that
  Time idle_process = fleet::kNever;  ///< start of the last bot that was reported for not asking to log in
};

}  // namespace smaster::server
