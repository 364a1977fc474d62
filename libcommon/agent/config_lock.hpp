// A lock that allows one agent per config: two would run the same shard id twice. The lock is held while any
// process has its descriptor open, so the bot of a killed agent holds it until it is gone. Locked are the
// config and a file beside it, CONFIG.lock, which also stores the random id by which the master tells a
// config from its copy on another host.
#pragma once

#include <filesystem>
#include <string>

#include "base/fd.hpp"
#include "base/result.hpp"

namespace smaster::agent {

/// Identifies the user of a config. Two agents with equal identities are one agent that was restarted.
struct Identity {
  std::string instance;  ///< random id of this config file, see stored_instance
  std::string boot;      ///< the kernel's random boot id
  std::string machine;   ///< host name, for people
};

class ConfigLock {
 public:
  /// Takes the lock without waiting. Errors: timed_out if another process holds it, bad_config if the config
  /// does not exist. If CONFIG.lock cannot be opened for writing, only the config is locked, and its device
  /// and inode numbers replace the random id.
  [[nodiscard]] static Result<ConfigLock> take(const std::filesystem::path& config);
  [[nodiscard]] int descriptor() const { return lock_ ? lock_.get() : config_.get(); }
  [[nodiscard]] const Identity& identity() const { return identity_; }

 private:
  ConfigLock(Fd config, Fd lock);
  Fd config_;  ///< locked as well: earlier versions lock only this file
  Fd lock_;
  Identity identity_;
};

}  // namespace smaster::agent
