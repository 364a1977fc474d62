// What an agent and its bot-keepers share: one word of memory that says until when the bot may run. Only the
// agent writes it, which costs no system call; a keeper looks when the time that it knows of has come, so it
// needs nothing of an agent that is stopped or stuck.
#pragma once

#include <atomic>
#include <cstdint>
#include <limits>

#include "base/boot_clock.hpp"

namespace smaster::agent {

/// Milliseconds of BootClock.
using LeaseWord = std::atomic<std::int64_t>;
static_assert(LeaseWord::is_always_lock_free, "it is shared between processes");

/// Nothing limits the bot.
inline constexpr std::int64_t kNoLimit = std::numeric_limits<std::int64_t>::max();

/// From SIGTERM to SIGKILL when the lease is over; the master waits a little longer than that (kAgentMargin
/// in server/fleet.cpp).
inline constexpr Millis kLostGrace{5'000};

}  // namespace smaster::agent
