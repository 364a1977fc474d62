// The master's key pair on disk.
#pragma once

#include <filesystem>

#include "base/result.hpp"
#include "crypto/keys.hpp"

namespace smaster::server {

/// The server's private key, in its state folder.
inline constexpr const char* kPrivateKeyFile = "shardMaster.priv";

[[nodiscard]] Result<crypto::Signer> read_keys(const std::filesystem::path& path);

/// The public half is derived, so a lost or stale file mends itself.
[[nodiscard]] Result<void> write_public_key(const std::filesystem::path& folder,
                                            const crypto::Signer& signer);

/// The server's own key pair, made on the first start.
[[nodiscard]] Result<crypto::Signer> load_keys(const std::filesystem::path& folder);

}  // namespace smaster::server
