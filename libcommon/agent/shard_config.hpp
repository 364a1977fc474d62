// A shard's config file, `shard_<name>_config.json`, as genconfig writes it. Source: WIRE.md, "The shard
// protocol".
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/types.hpp"
#include "crypto/keys.hpp"

namespace smaster::agent {

/// The address of a master.
struct MasterAddress {
  bool tls = false;
  std::string host;
  std::uint16_t port = 0;
  std::string path;  ///< the Engine.IO path: the config's path plus `master/`

  /// `http://host:port/path`, for people.
  [[nodiscard]] std::string url() const;
  bool operator==(const MasterAddress&) const = default;
};

struct ShardConfig {
  ShardName name;
  std::vector<MasterAddress> masters;  ///< at least one; if there are several, LeaderLookup finds the leader
  crypto::Signer signer;
  std::string master_key;  ///< public, SPKI PEM
  std::filesystem::path file;

  /// True if a master uses https.
  [[nodiscard]] bool tls() const;
};

/// Loads and validates a config, including that the two keys are a pair. Errors: bad_config, which names the
/// file, the problem and the remedy.
[[nodiscard]] Result<ShardConfig> load_shard_config(const std::filesystem::path& path);

/// Replaces the master's key in a config file; all else is kept.
[[nodiscard]] Result<void> write_master_key(const std::filesystem::path& path, const std::string& master_key);

/// True if users other than the owner can read or write the file.
[[nodiscard]] bool open_to_others(const std::filesystem::path& path);

}  // namespace smaster::agent
