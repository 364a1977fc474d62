// JSON of any kind as a status and as a registry row, through the packed form and back.
#include <cstdint>

#include "fleet/shard_info.hpp"
#include "json/json.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)smaster::fleet::unpack(text);
  const auto value = smaster::json::parse(text);
  if (!value || !value->is_object()) return 0;
  smaster::fleet::ShardStatus status;
  smaster::fleet::read(value->get_object(), status);
  (void)smaster::fleet::unpack(smaster::fleet::pack(status));
  (void)smaster::json::serialize(smaster::fleet::to_json(status));
  smaster::fleet::ShardInfo info(*smaster::ShardName::parse("abc"));
  smaster::fleet::read(value->get_object(), info);
  return 0;
}
