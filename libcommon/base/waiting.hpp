// When this thread's event loop last had to wait. Asio does not say where in a turn its waiting ends and its
// work begins, so boost_impl.cpp compiles it with this function for epoll_wait.
#pragma once

#include "base/types.hpp"

struct epoll_event;

namespace smaster {

/// epoll_wait; notes when it came back.
int wait_for_events(int descriptor, epoll_event* events, int most, int timeout);

/// When it last came back from waiting, in this thread.
[[nodiscard]] Instant woken_at();

/// Counts the thread's work from now on.
void begin_work();

/// The CPU time that this thread has used since then, or since it last came back, waiting or not.
[[nodiscard]] Instant::duration worked();

}  // namespace smaster
