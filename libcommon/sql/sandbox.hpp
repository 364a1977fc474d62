// Drops all rights that a process does not need to run statements on open connections. Afterwards it cannot
// open files or sockets, start programs, send signals, or exceed its limits.
#pragma once

#include <cstdint>
#include <string>

namespace smaster::sql {

struct Containment {
  bool remote = false;          ///< it uses an open socket to a database
  std::uint64_t file_size = 0;  ///< maximum size of the files it writes, in bytes; 0: unlimited
};

/// Limits the memory that this process may allocate, in bytes.
void limit_memory(std::uint64_t bytes);

/// Irreversible. Returns a sentence for the log about features that the kernel lacks; empty: none.
[[nodiscard]] std::string contain(const Containment& containment);

}  // namespace smaster::sql
