#include "store/row.hpp"

#include <algorithm>
#include <boost/json/object.hpp>

#include "json/json.hpp"

namespace smaster::store {

std::string to_text(const fleet::ShardInfo& info) {
  auto object = fleet::to_json(info);
  object["mayRun"] = fleet::to_text(info.may_run);
  return json::serialize(object);
}

std::optional<fleet::ShardInfo> parse_row(std::string_view text) {
  const auto value = json::parse(text);
  if (!value || !value->is_object()) return std::nullopt;
  const auto& object = value->get_object();
  std::string id, may_run;
  std::int64_t capacity = 1;
  json::read(object, "id", id);
  auto name = ShardName::parse_seat(id);
  if (!name) return std::nullopt;
  fleet::ShardInfo info(std::move(*name));
  fleet::read(object, info);
  json::read(object, "mayRun", may_run);
  info.may_run = fleet::parse_roles(may_run);
  json::read(object, "capacity", capacity);
  info.capacity = static_cast<std::uint32_t>(std::max<std::int64_t>(capacity, 1));
  json::read(object, "host", info.host);
  return info;
}

}  // namespace smaster::store
