#include "server/keys/key_files.hpp"

#include <spdlog/spdlog.h>

#include <string>

#include "base/file.hpp"
#include "crypto/fast_verify.hpp"

namespace smaster::server {

Result<crypto::Signer> read_keys(const std::filesystem::path& path) {
  const auto text = read_file(path);
  if (!text) return text.error();
  auto signer = crypto::Signer::load(*text);
  if (!signer) return fail(signer.error().kind, path.string() + ": " + signer.error().message);
  return signer;
}

Result<void> write_public_key(const std::filesystem::path& folder, const crypto::Signer& signer) {
  return write_file(folder / "shardMaster.pub", signer.public_pem(), 0644, IfExists::replace);
}

Result<crypto::Signer> load_keys(const std::filesystem::path& folder) {
  const auto path = folder / kPrivateKeyFile;
  auto signer = read_keys(path);
  if (!signer && signer.error().kind == ErrorKind::not_found) {
    spdlog::info("first start: making the master's key pair, this takes a few seconds");
    const auto keys = crypto::generate_key_pair();
    if (!keys) return keys.error();
    if (auto written = write_file(path, keys->private_pem, 0600, IfExists::refuse); !written) {
      return written.error();
    }
    signer = crypto::Signer::load(keys->private_pem);
  }
  if (!signer) return signer;
  // Use the key once now: this detects a damaged file, and no shard has to wait for OpenSSL's first
  // operation, which takes longer.
  if (!crypto::fast_verify(signer->public_pem(), "check", signer->sign("check"))) {
    return fail(ErrorKind::bad_data,
                path.string() + ": its signatures are not good ones; put back a copy of it");
  }
  if (auto written = write_public_key(folder, *signer); !written) {
    spdlog::error("{}; going on without", written.error().message);
  }
  return signer;
}

}  // namespace smaster::server
