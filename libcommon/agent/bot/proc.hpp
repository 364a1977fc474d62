// Figures about the machine's cores and a bot's processes, from Linux's /proc. Does not block.
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

/// One core's time since boot by kind, in milliseconds, as in Node's os.cpus().
struct CoreTimes {
  std::int64_t user = 0, nice = 0, sys = 0, idle = 0, irq = 0;
  std::int64_t total = 0;  ///< all kinds, including those not listed; without iowait
};

/// Parses /proc/stat. `ticks`: clock ticks per second, sysconf(_SC_CLK_TCK).
[[nodiscard]] std::vector<CoreTimes> parse_cores(std::string_view proc_stat, long ticks);

/// Load of each core between two readings, 0 … 1; 0 if unknown.
[[nodiscard]] std::vector<double> core_loads(const std::vector<CoreTimes>& before,
                                             const std::vector<CoreTimes>& after);

/// The machine's cores, for the `cpus` of a status.
class Cores {
 public:
  Cores();
  /// Reads the times. Afterwards `loads` covers the time since the previous call (since boot at the first).
  void read();
  [[nodiscard]] const std::vector<double>& loads() const { return loads_; }
  /// `[{model, speed, times{user,nice,sys,idle,irq}}…]` as JSON.
  [[nodiscard]] std::string json() const;

 private:
  /// Each core's model and speed as JSON, read only once because that is slow.
  std::vector<std::string> heads_;
  std::vector<CoreTimes> times_;
  std::vector<double> loads_;
};

/// Memory in bytes and CPU time, summed over processes.
struct Usage {
  double rss = 0;        ///< resident
  double anonymous = 0;  ///< of that, not backed by files
  double data = 0;       ///< data segments, resident or not
  double cpu = 0;        ///< seconds since they started, with those of children that have ended
};

/// The parents of all processes. Cached for five seconds: an agent with a hundred bots asks for all of them
/// at once, and the host may have thousands of processes.
class ProcessTree {
 public:
  /// What all descendants of `root` use, without `root` itself.
  [[nodiscard]] Usage descendants_usage(pid_t root, Instant now);

 private:
  std::multimap<pid_t, pid_t> children_;
  Instant read_at_{};
};
/// Resident memory of one process in bytes; 0 if it does not exist.
[[nodiscard]] double process_rss(pid_t pid);
/// With which rights a process runs, for `smaster doctor`.
struct Confinement {
  std::int64_t uid = -1;  ///< −1: unknown
  bool confined = false;  ///< it can gain no privileges (NoNewPrivileges), or a seccomp filter limits it
};
/// Parses /proc/PID/status.
[[nodiscard]] Confinement parse_confinement(std::string_view proc_status);
/// That of this process.
[[nodiscard]] Confinement own_confinement();

/// True if the process has started to exit, or is gone.
[[nodiscard]] bool exiting(pid_t pid);
[[nodiscard]] std::vector<pid_t> children_of(pid_t parent);

/// Bytes in all files below `folder`, without following links or entering other file systems. `users`: the
/// part below `save/users`.
struct Storage {
  double total = 0;
  double users = 0;
};
[[nodiscard]] Storage measure_storage(const std::filesystem::path& folder);

}  // namespace smaster::agent
