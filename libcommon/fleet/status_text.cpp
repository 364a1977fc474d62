#include "fleet/status_text.hpp"

#include "json/scratch.hpp"

namespace smaster::fleet {
namespace {

/// Bytes of what a shard says of its processors; more is left out.
constexpr std::size_t kMaxCpus = 65'536;

}  // namespace

Result<void> read_status(std::string_view text, ShardStatus& status) {
  json::Scratch scratch;
  const auto value = scratch.parse(text);
  if (!value) return value.error();
  if (!(*value)->is_object()) return fail(ErrorKind::bad_data, "not a JSON object");
  read((*value)->get_object(), status);
  // Only shown again, and by far the largest part: it stays as it came.
  const auto cpus = json::member(text, "cpus");
  if (cpus && cpus->starts_with('[') && cpus->size() <= kMaxCpus) status.cpus = *cpus;
  return {};
}

}  // namespace smaster::fleet
