// A known shard and what goes on with it now.
#pragma once

#include <memory>
#include <optional>

#include "fleet/seat.hpp"
#include "records/history.hpp"
#include "wire/socketio/connection.hpp"

namespace smaster::server {

class ShardSession;

struct Shard : fleet::Seat {
  using Seat::Seat;
  std::unique_ptr<fleet::ShardStatus> status;  ///< the last one, if any since the start
  ShardSession* session = nullptr;             ///< its live connection; `connected` once it has our proof
  bool dirty = false;                          ///< to be saved with the next flush
  fleet::Assignment listed = {};               ///< by whose ids it is found
  fleet::History::Tail* past = nullptr;        ///< its statuses, since the first one
  Instant status_at{};                         ///< when `status` came
  Millis correction_pause{};                   ///< how long until a wrong goal in a status is corrected again
  Instant corrected{};
  unsigned quiet = 0;                          ///< statuses in a row without any message
  std::optional<socketio::AckId> start_asked;  ///< `session` waits for this answer to start its bot again
  std::uint64_t registration = 0;              ///< differs where a name was revoked and registered anew
  fleet::Replacements replacements;
  std::optional<fleet::Duplicate> duplicate;  ///< another shard that has its config
  Time alerted = fleet::kNever;               ///< when the operators last heard of that
};

}  // namespace smaster::server
