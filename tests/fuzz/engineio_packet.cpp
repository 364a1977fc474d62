// Polling bodies and single frames of any kind; what decodes goes back to the same bytes.
#include "wire/engineio/packet.hpp"

#include <cstdint>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace smaster::engineio;
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  PayloadReader reader(body);
  while (const auto segment = reader.next()) {
    std::string storage;
    const auto packet = decode(*segment, storage);
    if (!packet) continue;
    const auto frame =
        packet->binary ? binary_frame(std::string(packet->data)) : text_frame(packet->type, packet->data);
    std::string again;
    append_to_payload(again, frame);
    if (again.size() != payload_size(frame)) std::abort();
    std::string second;
    const auto same = decode(again, second);
    if (!same || same->type != packet->type || same->data != packet->data) std::abort();
  }
  return 0;
}
