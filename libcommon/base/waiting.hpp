// Records when this thread's event loop last waited. Asio does not expose where in a turn waiting ends and
// work begins, so boost_impl.cpp replaces its epoll_wait by this function.
#pragma once

#include "base/types.hpp"

struct epoll_event;

namespace smaster {

/// Calls epoll_wait, and records the time when it returned.
int wait_for_events(int descriptor, epoll_event* events, int most, int timeout);

/// When this thread's last wait ended.
[[nodiscard]] Instant woken_at();

/// Starts to measure this thread's CPU time.
void begin_work();

/// This thread's CPU time since begin_work or the last wait_for_events, whichever was later.
[[nodiscard]] Instant::duration worked();

}  // namespace smaster
