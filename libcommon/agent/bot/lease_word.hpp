// Memory shared by an agent and its bot-keepers: one word with the end of the lease. Only the agent writes
// it, without a system call. A keeper reads it when the end that it knows of has come, so it works even if
// the agent is stopped or stuck.
#pragma once

#include <atomic>
#include <cstdint>
#include <limits>

#include "base/boot_clock.hpp"

namespace smaster::agent {

/// Milliseconds of BootClock.
using LeaseWord = std::atomic<std::int64_t>;
static_assert(LeaseWord::is_always_lock_free, "it is shared between processes");

/// The value if no lease limits the bot.
inline constexpr std::int64_t kNoLimit = std::numeric_limits<std::int64_t>::max();

/// Time from SIGTERM to SIGKILL after the lease has expired. The master waits a little longer (kAgentMargin
/// in server/admission/attendance.hpp).
inline constexpr Millis kLostGrace{5'000};

}  // namespace smaster::agent
