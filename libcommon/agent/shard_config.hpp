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

/// Where a master is.
struct MasterAddress {
  bool tls = false;
  std::string host;
  std::uint16_t port = 0;
  std::string path;  ///< the Engine.IO path: the config's, and `master/`

  /// `http://host:port/path`, for people.
  [[nodiscard]] std::string url() const;
  bool operator==(const MasterAddress&) const = default;
};

struct ShardConfig {
  ShardName name;
  std::vector<MasterAddress> masters;  ///< at least one; of several the one that leads is looked for
  crypto::Signer signer;
  std::string master_key;  ///< public, SPKI PEM
  std::filesystem::path file;

  /// Whether any of the masters wants it.
  [[nodiscard]] bool tls() const;
};

/// bad_config says which file is wrong, in what, and what to do. The key pair is checked to belong together.
[[nodiscard]] Result<ShardConfig> load_shard_config(const std::filesystem::path& path);

/// Replaces the master's key in a config file; the rest of it stays as it is.
[[nodiscard]] Result<void> write_master_key(const std::filesystem::path& path, const std::string& master_key);

/// Whether others than the owner can read or write the file.
[[nodiscard]] bool open_to_others(const std::filesystem::path& path);

}  // namespace smaster::agent
