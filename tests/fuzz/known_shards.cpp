// The Node.js master's files of any kind; what is read of them keeps its promises.
#include <cstdint>
#include <cstdlib>

#include "records/import.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace smaster;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto shards = fleet::read_known_shards(text)) {
    for (const auto& shard : *shards) {
      if (shard.key.empty()) std::abort();
    }
  }
  const auto oldest = from_unix_ms(1'000);
  if (const auto history = fleet::read_history(text, {"aaa", "abc"}, oldest)) {
    std::size_t samples = 0;
    for (const auto& block : history->blocks) {
      for (const auto& sample : fleet::unpack(block.packed)) {
        ++samples;
        if (sample.at < oldest || sample.status.timestamp < oldest) std::abort();
      }
    }
    if (samples != history->samples) std::abort();
  }
  return 0;
}
