// The master's key pair on disk.
#pragma once

#include <filesystem>

#include "base/result.hpp"
#include "crypto/keys.hpp"

namespace smaster::server {

/// The server's private key, in its state folder.
inline constexpr const char* kPrivateKeyFile = "shardMaster.priv";

/// Reads a private key; errors name the file. not_found if there is none.
[[nodiscard]] Result<crypto::Signer> read_keys(const std::filesystem::path& path);

/// Writes shardMaster.pub. It is derived from the private key, so a lost or outdated file is repaired.
[[nodiscard]] Result<void> write_public_key(const std::filesystem::path& folder,
                                            const crypto::Signer& signer);

/// Loads the server's key pair, or generates it at the first start, which takes seconds. Blocks.
[[nodiscard]] Result<crypto::Signer> load_keys(const std::filesystem::path& folder);

}  // namespace smaster::server
