// What the kernel knows of the machine's cores and of a bot's processes. Linux's /proc; reads, never waits.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.hpp"

namespace smaster::agent {

/// One core's time since boot, in milliseconds, by what it was spent on; as Node's os.cpus() has it.
struct CoreTimes {
  std::int64_t user = 0, nice = 0, sys = 0, idle = 0, irq = 0;
  std::int64_t total = 0;  ///< all work and rest, also of kinds that the others leave out
};

/// The cores in the text of /proc/stat. `ticks`: how many the kernel counts in a second.
[[nodiscard]] std::vector<CoreTimes> parse_cores(std::string_view proc_stat, long ticks);

/// How busy each core was between two readings, 0 … 1; 0 where nothing can be said.
[[nodiscard]] std::vector<double> core_loads(const std::vector<CoreTimes>& before,
                                             const std::vector<CoreTimes>& after);

/// The machine's cores, as the status' `cpus`.
class Cores {
 public:
  Cores();
  /// Reads the times; `loads` are those since the last call (since boot at the first).
  void read();
  [[nodiscard]] const std::vector<double>& loads() const { return loads_; }
  /// `[{model, speed, times{user,nice,sys,idle,irq}}…]` as JSON.
  [[nodiscard]] std::string json() const;

 private:
  std::vector<std::string> heads_;  ///< each core's model and speed as JSON, read once: that is slow
  std::vector<CoreTimes> times_;
  std::vector<double> loads_;
};

/// Memory in bytes, summed over processes.
struct Memory {
  double rss = 0;        ///< resident
  double anonymous = 0;  ///< of that, not backed by files
  double data = 0;       ///< data segments, resident or not
};

/// Who descends from whom. Read again when it is older than five seconds: an agent with a hundred bots, on a
/// host with thousands of processes, asks for all of them at once.
class ProcessTree {
 public:
  /// The memory of all that descends from `root`, itself left out.
  [[nodiscard]] Memory descendants_memory(pid_t root, Instant now);

 private:
  std::multimap<pid_t, pid_t> children_;
  Instant read_at_{};
};
/// The resident memory of one process in bytes; 0 when there is none.
[[nodiscard]] double process_rss(pid_t pid);
/// Whether the process has begun to end, or is gone.
[[nodiscard]] bool exiting(pid_t pid);
/// The children of this process.
[[nodiscard]] std::vector<pid_t> children_of(pid_t parent);

/// Bytes in the files below `folder`; links are not followed, other filesystems not entered.
/// `users`: those below its `save/users`.
struct Storage {
  double total = 0;
  double users = 0;
};
[[nodiscard]] Storage measure_storage(const std::filesystem::path& folder);

}  // namespace smaster::agent
