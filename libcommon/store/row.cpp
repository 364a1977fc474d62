#include "store/row.hpp"

#include <algorithm>
#include <boost/json/object.hpp>

#include "json/json.hpp"

namespace smaster::store {

std::string to_text(const fleet::ShardInfo& info) {
  auto object = fleet::to_json(info);
  object["mayRun"] = fleet::to_text(info.may_run);
  if (auto holder = fleet::to_text(info.holder); !holder.empty()) object["holder"] = std::move(holder);
  if (auto used = info.used.text(); !used.empty()) object["usedHeaders"] = std::move(used);
  return json::serialize(object);
}

std::optional<fleet::ShardInfo> parse_row(std::string_view text) {
  const auto value = json::parse(text);
  if (!value || !value->is_object()) return std::nullopt;
  const auto& object = value->get_object();
  std::string id, may_run, holder, used;
  std::int64_t capacity = 1;
  json::read(object, "id", id);
  auto name = ShardName::parse_seat(id);
  if (!name) return std::nullopt;
  fleet::ShardInfo info(std::move(*name));
  fleet::read(object, info);
  json::read(object, "mayRun", may_run);
  info.may_run = fleet::parse_assignments(may_run);
  json::read(object, "capacity", capacity);
  info.capacity = static_cast<std::uint32_t>(std::max<std::int64_t>(capacity, 1));
  json::read(object, "host", info.host);
  json::read(object, "holder", holder);
  info.holder = fleet::parse_holder(holder);
  json::read(object, "usedHeaders", used);
  info.used = fleet::UsedTimes::parse(used);
  return info;
}

}  // namespace smaster::store
