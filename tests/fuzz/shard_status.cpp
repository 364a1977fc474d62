// JSON of any kind as a status and as a registry row, through the packed form and back.
#include <cstdint>
#include <cstdlib>

#include "json/json.hpp"
#include "records/samples.hpp"
#include "records/status_text.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)smaster::fleet::unpack(text);
  (void)smaster::fleet::unpack_lone(text);
  const auto value = smaster::json::parse(text);
  smaster::fleet::ShardStatus status;
  if (!value) return 0;  // which nobody gives it
  const bool taken = smaster::fleet::read_status(text, status);
  if (taken != value->is_object()) std::abort();
  if (!taken) return 0;
  // As it comes in a packet, where its members have been found before.
  const auto packet = "[\"status\"," + std::string(text) + "]";
  const auto split = smaster::json::split(packet);
  smaster::fleet::ShardStatus same;
  if (!split || !smaster::fleet::read_status(split->values.at(1), same, split->names)) std::abort();
  const auto shown = [](const auto& value) {
    return smaster::json::serialize(smaster::fleet::to_json(value));
  };
  if (shown(same) != shown(status)) std::abort();
  if (!status.cpus.empty() && !smaster::json::valid(status.cpus)) std::abort();
  smaster::fleet::OpenBlock open(*smaster::ShardName::parse("abc"));
  open.add(status.timestamp, status);
  if (smaster::fleet::unpack(open.block(false).packed).size() != 1) std::abort();
  smaster::fleet::ShardInfo info(*smaster::ShardName::parse("abc"));
  smaster::fleet::read(value->get_object(), info);
  return 0;
}
