// RSA keys and signatures of the shard protocol: PEM text in, PEM and base64 text out. Source: WIRE.md, "The
// shard protocol" (RSASSA-PKCS1-v1_5 with SHA-256). Knows nothing of shards or files.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace smaster::crypto {

/// Length in bits of every RSA modulus made here; fixed by WIRE.md.
inline constexpr unsigned kKeyBits = 4096;

/// A new key pair as text.
struct KeyPair {
  std::string private_pem;  ///< PKCS#8
  std::string public_pem;   ///< SPKI
};

/// Makes a key pair. Slow: 1.7 s at 4096 bits on one core. Errors: usage if `bits` is not in 2048 … 16384.
[[nodiscard]] Result<KeyPair> generate_key_pair(unsigned bits = kKeyBits);

/// Signs with one private key. Thread-safe.
class Signer {
 public:
  /// Errors: bad_data if the text is not an unencrypted PKCS#8 RSA key.
  [[nodiscard]] static Result<Signer> load(std::string_view private_pem);
  Signer(Signer&&) noexcept;
  Signer& operator=(Signer&&) noexcept;
  ~Signer();

  /// The signature of `text`, base64 on one line. Slow: 5 ms at 4096 bits.
  [[nodiscard]] std::string sign(std::string_view text) const;
  /// The public half of the key, SPKI PEM.
  [[nodiscard]] const std::string& public_pem() const { return public_pem_; }

 private:
  struct Key;
  Signer(std::unique_ptr<Key> key, std::string public_pem);
  std::unique_ptr<Key> key_;
  std::string public_pem_;
};

/// True if `signature` (base64) is the signature of `text` by the private key of `public_pem`. False if the
/// key or signature cannot be parsed. For its speed see fast_verify.
[[nodiscard]] bool verify(std::string_view public_pem, std::string_view text, std::string_view signature);

/// Errors: bad_data if the text is not an RSA public key in SPKI PEM.
[[nodiscard]] Result<void> check_public_key(std::string_view public_pem);

/// The SHA-256 of a public key (of its DER form) as URL-safe base64 without padding. Empty if the text is no
/// key.
[[nodiscard]] std::string fingerprint(std::string_view public_pem);

/// HMAC-SHA-256 (RFC 2104) of `text`, as URL-safe base64 without padding. Compare with same_secret.
[[nodiscard]] std::string hmac(std::string_view key, std::string_view text);

/// `bytes` random bytes from the operating system as URL-safe base64 without padding.
[[nodiscard]] std::string random_token(std::size_t bytes);

/// Compares two secrets; its duration does not depend on where they differ.
[[nodiscard]] bool same_secret(std::string_view one, std::string_view other);

/// A uniformly distributed random number from the operating system.
[[nodiscard]] std::uint64_t random_number();

}  // namespace smaster::crypto
