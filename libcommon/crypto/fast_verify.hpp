// Verification of many signatures.
#pragma once

#include <string_view>

namespace smaster::crypto {

/// The same as `verify`, by OpenSSL: takes 35 µs at 2048 bits and 85 µs at 4096. Botan takes 300 and 960 µs,
/// mostly to prepare a key that is used once. Agents use Botan: they verify few signatures, and OpenSSL would
/// need 2 MB more.
[[nodiscard]] bool fast_verify(std::string_view public_pem, std::string_view text,
                               std::string_view signature);

}  // namespace smaster::crypto
