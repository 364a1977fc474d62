#include "crypto/keys.hpp"

#include <botan/base64.h>
#include <botan/data_src.h>
#include <botan/hash.h>
#include <botan/mac.h>
#include <botan/mem_ops.h>
#include <botan/pk_keys.h>
#include <botan/pkcs8.h>
#include <botan/pubkey.h>
#include <botan/rsa.h>
#include <botan/system_rng.h>
#include <botan/x509_key.h>

#include <algorithm>
#include <exception>
#include <vector>

#include "base/text.hpp"

namespace smaster::crypto {
namespace {

/// Botan's name for RSASSA-PKCS1-v1_5 with SHA-256.
constexpr const char* kScheme = "EMSA3(SHA-256)";

const std::uint8_t* bytes(std::string_view text) {
  return reinterpret_cast<const std::uint8_t*>(text.data());
}

std::unique_ptr<Botan::Public_Key> load_public(std::string_view pem) {
  Botan::DataSource_Memory source{std::string(pem)};
  std::unique_ptr<Botan::Public_Key> key(Botan::X509::load_key(source));
  if (key != nullptr && key->algo_name() != "RSA") key.reset();
  return key;
}

/// URL-safe base64 without padding (RFC 4648, 5).
std::string url_base64(const std::uint8_t* raw, std::size_t size) {
  auto text = Botan::base64_encode(raw, size);
  std::replace(text.begin(), text.end(), '+', '-');
  std::replace(text.begin(), text.end(), '/', '_');
  text.resize(text.find_last_not_of('=') + 1);
  return text;
}

}  // namespace

struct Signer::Key {
  std::unique_ptr<Botan::Private_Key> value;
};

Signer::Signer(std::unique_ptr<Key> key, std::string public_pem)
    : key_(std::move(key)), public_pem_(std::move(public_pem)) {}
Signer::Signer(Signer&&) noexcept = default;
Signer& Signer::operator=(Signer&&) noexcept = default;
Signer::~Signer() = default;

Result<KeyPair> generate_key_pair(unsigned bits) {
  if (bits < 2048 || bits > 16384) {
    return fail(ErrorKind::usage, "an RSA key has 2048 to 16384 bits, not " + std::to_string(bits));
  }
  try {
    const Botan::RSA_PrivateKey key(Botan::system_rng(), bits);
    return KeyPair{Botan::PKCS8::PEM_encode(key), Botan::X509::PEM_encode(key)};
  } catch (const std::exception& e) {
    return fail(ErrorKind::internal, std::string("cannot make an RSA key: ") + e.what());
  }
}

Result<Signer> Signer::load(std::string_view private_pem) {
  try {
    Botan::DataSource_Memory source{std::string(private_pem)};
    auto key = Botan::PKCS8::load_key(source);
    if (key == nullptr || key->algo_name() != "RSA")
      return fail(ErrorKind::bad_data, "not an RSA private key");
    auto public_pem = Botan::X509::PEM_encode(*key);
    return Signer(std::make_unique<Key>(Key{std::move(key)}), std::move(public_pem));
  } catch (const std::exception& e) {
    return fail(ErrorKind::bad_data, std::string("not an unencrypted PKCS#8 PEM private key: ") + e.what());
  }
}

std::string Signer::sign(std::string_view text) const {
  Botan::PK_Signer signer(*key_->value, Botan::system_rng(), kScheme);
  return Botan::base64_encode(signer.sign_message(bytes(text), text.size(), Botan::system_rng()));
}

bool verify(std::string_view public_pem, std::string_view text, std::string_view signature) {
  try {
    const auto key = load_public(public_pem);
    if (key == nullptr) return false;
    const auto raw = Botan::base64_decode(signature.data(), signature.size(), false);
    Botan::PK_Verifier verifier(*key, kScheme);
    return verifier.verify_message(bytes(text), text.size(), raw.data(), raw.size());
  } catch (const std::exception&) {
    return false;
  }
}

Result<void> check_public_key(std::string_view public_pem) {
  try {
    if (!has_nul(public_pem) && load_public(public_pem) != nullptr) return {};
  } catch (const std::exception&) {
    // The error below covers all causes.
  }
  return fail(ErrorKind::bad_data, "not an RSA public key in PEM (SPKI) form");
}

std::string fingerprint(std::string_view public_pem) {
  try {
    const auto key = load_public(public_pem);
    if (key == nullptr) return {};
    const auto hash = Botan::HashFunction::create_or_throw("SHA-256");
    hash->update(key->subject_public_key());
    const auto digest = hash->final();
    return url_base64(digest.data(), digest.size());
  } catch (const std::exception&) {
    return {};
  }
}

std::string hmac(std::string_view key, std::string_view text) {
  const auto mac = Botan::MessageAuthenticationCode::create_or_throw("HMAC(SHA-256)");
  mac->set_key(bytes(key), key.size());
  mac->update(bytes(text), text.size());
  const auto tag = mac->final();
  return url_base64(tag.data(), tag.size());
}

std::string random_token(std::size_t size) {
  std::vector<std::uint8_t> raw(size);
  Botan::system_rng().randomize(raw.data(), raw.size());
  return url_base64(raw.data(), raw.size());
}

bool same_secret(std::string_view one, std::string_view other) {
  // Comparing digests is safe: they have equal lengths, and an attacker cannot choose them.
  const auto digest = [](std::string_view text) {
    const auto hash = Botan::HashFunction::create_or_throw("SHA-256");
    hash->update(std::string(text));
    return hash->final();
  };
  const auto left = digest(one);
  const auto right = digest(other);
  return Botan::constant_time_compare(left.data(), right.data(), left.size());
}

std::uint64_t random_number() {
  std::uint64_t value = 0;
  Botan::system_rng().randomize(reinterpret_cast<std::uint8_t*>(&value), sizeof value);
  return value;
}

}  // namespace smaster::crypto
