// One config, one agent: two would take each other's place at the master for ever. The lock lives as long as
// any process has the descriptor, so a killed agent's bot holds it until it is gone.
#pragma once

#include <filesystem>

#include "base/fd.hpp"
#include "base/result.hpp"

namespace smaster::agent {

class ConfigLock {
 public:
  /// Takes the lock; timed_out when another has it, bad_config when there is no such file.
  [[nodiscard]] static Result<ConfigLock> take(const std::filesystem::path& config);
  [[nodiscard]] int descriptor() const { return fd_.get(); }

 private:
  explicit ConfigLock(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
};

}  // namespace smaster::agent
