// Headers of any kind: what is accepted has its promised form.
#include "crypto/authorization.hpp"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto header = smaster::crypto::parse_authorization({reinterpret_cast<const char*>(data), size});
  if (header && (header->signature.empty() || !header->signed_text.starts_with(header->name.str())))
    std::abort();
  return 0;
}
