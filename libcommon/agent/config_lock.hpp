// One config, one agent: two would run one id twice. The lock lives as long as any process has its
// descriptor, so a killed agent's bot holds it until it is gone. It is a file beside the config, CONFIG.lock,
// which also holds the random id by which the master tells this config from a copy of it elsewhere.
#pragma once

#include <filesystem>
#include <string>

#include "base/fd.hpp"
#include "base/result.hpp"

namespace smaster::agent {

/// Who uses a config: two agents with the same one are one agent, started again.
struct Identity {
  std::string instance;  ///< of this place of the config
  std::string boot;      ///< the kernel's random id of this boot
  std::string machine;   ///< its name, for people
};

class ConfigLock {
 public:
  /// Takes the lock; timed_out when another has it, bad_config when there is no such file. Where no file can
  /// be written beside the config, the config itself is locked, and its inode stands for the random id.
  [[nodiscard]] static Result<ConfigLock> take(const std::filesystem::path& config);
  [[nodiscard]] int descriptor() const { return lock_ ? lock_.get() : config_.get(); }
  [[nodiscard]] const Identity& identity() const { return identity_; }

 private:
  ConfigLock(Fd config, Fd lock);
  Fd config_;  ///< what agents of earlier versions lock
  Fd lock_;
  Identity identity_;
};

}  // namespace smaster::agent
