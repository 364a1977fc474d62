#include "crypto/fast_verify.hpp"

#include <botan/base64.h>
#include <botan/ber_dec.h>
#include <botan/bigint.h>
#include <botan/pem.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include <exception>
#include <memory>
#include <string>
#include <vector>

namespace smaster::crypto {
namespace {

/// Frees an OpenSSL object.
template <auto Free>
struct Freer {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};
using Number = std::unique_ptr<BIGNUM, Freer<BN_free>>;
using Builder = std::unique_ptr<OSSL_PARAM_BLD, Freer<OSSL_PARAM_BLD_free>>;
using Parameters = std::unique_ptr<OSSL_PARAM, Freer<OSSL_PARAM_free>>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, Freer<EVP_PKEY_CTX_free>>;
using Key = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY_free>>;
using Digest = std::unique_ptr<EVP_MD_CTX, Freer<EVP_MD_CTX_free>>;

struct RsaNumbers {
  Number modulus;
  Number exponent;
};

Number to_number(const Botan::BigInt& value) {
  const auto bytes = Botan::BigInt::encode(value);
  return Number(BN_bin2bn(bytes.data(), static_cast<int>(bytes.size()), nullptr));
}

/// Reads the numbers of an RSA key in SPKI PEM (RFC 5280, 4.1; RFC 8017, A.1.1); throws if it is none.
RsaNumbers read_key(std::string_view pem) {
  const auto der = Botan::PEM_Code::decode_check_label(std::string(pem), "PUBLIC KEY");
  Botan::AlgorithmIdentifier algorithm;
  std::vector<std::uint8_t> bits;
  Botan::BER_Decoder(der.data(), der.size())
      .start_cons(Botan::SEQUENCE)
      .decode(algorithm)
      .decode(bits, Botan::BIT_STRING)
      .end_cons();
  if (algorithm.get_oid() != Botan::OID::from_string("RSA")) throw Botan::Decoding_Error("not an RSA key");
  Botan::BigInt modulus;
  Botan::BigInt exponent;
  Botan::BER_Decoder(bits).start_cons(Botan::SEQUENCE).decode(modulus).decode(exponent).end_cons();
  return {to_number(modulus), to_number(exponent)};
}

Key make_key(const RsaNumbers& numbers) {
  const Builder builder(OSSL_PARAM_BLD_new());
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, numbers.modulus.get());
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, numbers.exponent.get());
  const Parameters parameters(OSSL_PARAM_BLD_to_param(builder.get()));
  const KeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr));
  EVP_PKEY* key = nullptr;
  if (parameters == nullptr || EVP_PKEY_fromdata_init(context.get()) != 1) return nullptr;
  if (EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, parameters.get()) != 1) return nullptr;
  return Key(key);
}

}  // namespace

bool fast_verify(std::string_view public_pem, std::string_view text, std::string_view signature) {
  bool good = false;
  try {
    const auto raw = Botan::base64_decode(signature.data(), signature.size(), false);
    const auto key = make_key(read_key(public_pem));
    const Digest digest(EVP_MD_CTX_new());
    good = key != nullptr &&
           EVP_DigestVerifyInit(digest.get(), nullptr, EVP_sha256(), nullptr, key.get()) == 1 &&
           EVP_DigestVerify(digest.get(), raw.data(), raw.size(),
                            reinterpret_cast<const unsigned char*>(text.data()), text.size()) == 1;
  } catch (const std::exception&) {
    // A key or signature that cannot be parsed is invalid.
  }
  ERR_clear_error();
  return good;
}

}  // namespace smaster::crypto
