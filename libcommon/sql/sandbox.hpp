// Takes from a process what it does not need to run statements on connections that are open: afterwards it
// can open no file and no socket, start nothing, signal nobody and not grow beyond its limits.
#pragma once

#include <cstdint>
#include <string>

namespace smaster::sql {

struct Containment {
  bool remote = false;          ///< it speaks to a database over a socket that it has
  std::uint64_t memory = 0;     ///< bytes that it may allocate
  std::uint64_t file_size = 0;  ///< bytes to which it may extend a file; 0: any
};

/// For good. What the kernel lacks, as a sentence for the log; empty: nothing.
[[nodiscard]] std::string contain(const Containment& containment);

}  // namespace smaster::sql
