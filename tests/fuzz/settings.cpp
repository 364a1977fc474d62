// TOML of any kind: it is taken, or refused with a sentence; what is taken can be described.
#include "settings/settings.hpp"

#include <cstdint>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace smaster::server;
  const auto settings = parse_settings({reinterpret_cast<const char*>(data), size}, "fuzz.toml", Settings{});
  if (settings ? describe(*settings).empty() : settings.error().message.empty()) std::abort();
  return 0;
}
