// What the benches of single parts share.
#pragma once

#include <ctime>
#include <string>

#include "base/types.hpp"

namespace smaster::bench {

/// Microseconds of CPU used so far, by the clock's owner: CLOCK_THREAD_CPUTIME_ID or
/// CLOCK_PROCESS_CPUTIME_ID.
inline double cpu_us(clockid_t clock) {
  timespec at{};
  ::clock_gettime(clock, &at);
  return static_cast<double>(at.tv_sec) * 1e6 + static_cast<double>(at.tv_nsec) / 1e3;
}

/// The i-th of the names that the benches' shards have.
inline ShardName numbered(int i) {
  std::string letters;
  for (int digit = 0; digit < 5; ++digit, i /= 26) letters += static_cast<char>('a' + i % 26);
  return *ShardName::parse(letters);
}

}  // namespace smaster::bench
