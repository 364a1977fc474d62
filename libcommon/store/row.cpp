#include "store/row.hpp"

#include <boost/json/object.hpp>

#include "json/json.hpp"

namespace smaster::store {
namespace {

/// As the file store has it: "4,5/8", or "-1/8" for one that runs nothing.
fleet::Role role(const boost::json::object& object, std::string_view key) {
  std::string text;
  json::read(object, key, text);
  auto roles = fleet::parse_roles(text);
  return roles.empty() ? fleet::Role{} : std::move(roles.front());
}

}  // namespace

std::string to_text(const fleet::ShardInfo& info) {
  return json::serialize(boost::json::object{{"id", info.id.str()},
                                             {"key", info.key},
                                             {"master", info.is_master},
                                             {"lastSeen", to_unix_ms(info.last_seen)},
                                             {"lastHeartbeat", to_unix_ms(info.last_heartbeat)},
                                             {"created", to_unix_ms(info.created_time)},
                                             {"boot", to_unix_ms(info.boot_time)},
                                             {"stop", to_unix_ms(info.stop_time)},
                                             {"goal", fleet::to_text({info.goal})},
                                             {"current", fleet::to_text({info.current})},
                                             {"mayRun", fleet::to_text(info.may_run)},
                                             {"capacity", info.capacity},
                                             {"host", info.host}});
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
  json::read(object, "key", info.key);
  json::read(object, "master", info.is_master);
  json::read(object, "lastSeen", info.last_seen);
  json::read(object, "lastHeartbeat", info.last_heartbeat);
  json::read(object, "created", info.created_time);
  json::read(object, "boot", info.boot_time);
  json::read(object, "stop", info.stop_time);
  info.goal = role(object, "goal");
  info.current = role(object, "current");
  json::read(object, "mayRun", may_run);
  info.may_run = fleet::parse_roles(may_run);
  json::read(object, "capacity", capacity);
  info.capacity = static_cast<std::uint32_t>(std::max<std::int64_t>(capacity, 1));
  json::read(object, "host", info.host);
  return info;
}

}  // namespace smaster::store
