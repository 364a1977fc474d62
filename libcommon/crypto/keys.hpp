// RSA keys and signatures as the shard protocol has them: PEM text in, PEM and base64 text out. Source:
// WIRE.md, "The shard protocol" (RSASSA-PKCS1-v1_5 with SHA-256). Knows nothing of shards or files.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace smaster::crypto {

/// RSA modulus length in bits of every key we make; WIRE.md fixes it.
inline constexpr unsigned kKeyBits = 4096;

/// A new key pair as text.
struct KeyPair {
  std::string private_pem;  ///< PKCS#8
  std::string public_pem;   ///< SPKI
};

/// Makes a key pair; slow (1.7 s at 4096 bits on one core). usage when `bits` is not 2048 … 16384.
[[nodiscard]] Result<KeyPair> generate_key_pair(unsigned bits = kKeyBits);

/// Signs texts with one private key. Safe to use from several threads.
class Signer {
 public:
  /// bad_data when the text is not an unencrypted PKCS#8 RSA key.
  [[nodiscard]] static Result<Signer> load(std::string_view private_pem);
  Signer(Signer&&) noexcept;
  Signer& operator=(Signer&&) noexcept;
  ~Signer();

  /// The signature over `text`, base64 on one line; slow (5 ms at 4096 bits).
  [[nodiscard]] std::string sign(std::string_view text) const;
  /// The public half of the key, SPKI PEM.
  [[nodiscard]] const std::string& public_pem() const { return public_pem_; }

 private:
  struct Key;
  Signer(std::unique_ptr<Key> key, std::string public_pem);
  std::unique_ptr<Key> key_;
  std::string public_pem_;
};

/// Whether `signature` (base64) over `text` was made with the private half of `public_pem`. A key or
/// signature that does not parse verifies nothing. 0.15 ms at 4096 bits.
[[nodiscard]] bool verify(std::string_view public_pem, std::string_view text, std::string_view signature);

/// bad_data when the text is not an RSA public key in SPKI PEM.
[[nodiscard]] Result<void> check_public_key(std::string_view public_pem);

/// `bytes` random bytes from the operating system as URL-safe base64 without padding.
[[nodiscard]] std::string random_token(std::size_t bytes);

/// Whether two secrets are the same; how long that takes tells nothing of them.
[[nodiscard]] bool same_secret(std::string_view one, std::string_view other);

/// A uniformly distributed random number from the operating system.
[[nodiscard]] std::uint64_t random_number();

}  // namespace smaster::crypto
