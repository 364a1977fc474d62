// A fleet in virtual time: the real planner and the real life of bots (agent/bot_life), between them a
// network that delays, loses and cuts, hosts that die, a server that restarts, leaders that change, and a
// goal that does. Everything comes from one seed, so every run can be repeated.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace smaster::sim {

/// What a run found wrong; nothing when all invariants held.
struct Report {
  std::optional<std::string> broken;
  std::uint64_t events = 0;
  std::uint64_t bots_started = 0;
  std::uint64_t logins = 0;  ///< that were asked for
  std::uint64_t parked = 0;  ///< times that a bot was parked since it failed again and again
};

/// Runs one seed. `trace`: prints what happens.
[[nodiscard]] Report run(std::uint64_t seed, bool trace);

}  // namespace smaster::sim
