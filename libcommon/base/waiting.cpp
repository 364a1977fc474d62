#include "base/waiting.hpp"

#include <sys/epoll.h>

#include <cerrno>
#include <ctime>

namespace smaster {
namespace {

using Duration = Instant::duration;

thread_local Instant woken{};
thread_local Duration work_begun{};

Duration thread_cpu_time() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

}  // namespace

int wait_for_events(int descriptor, epoll_event* events, int most, int timeout) {
  const int count = ::epoll_wait(descriptor, events, most, timeout);
  const int error = errno;
  if (timeout != 0) woken = std::chrono::steady_clock::now();
  work_begun = thread_cpu_time();
  errno = error;
  return count;
}

Instant woken_at() { return woken; }

void begin_work() { work_begun = thread_cpu_time(); }

Duration worked() { return thread_cpu_time() - work_begun; }

}  // namespace smaster
