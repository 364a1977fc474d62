#include "fleet/shard_info.hpp"

#include <algorithm>
#include <boost/json/array.hpp>
#include <cmath>
#include <cstring>

#include "base/text.hpp"
#include "json/json.hpp"

namespace smaster::fleet {
namespace {

/// Cores a status may list; more are dropped, so that one shard cannot fill the memory with history.
constexpr std::size_t kMaxCores = 1024;

/// Every numeric field of a status in the order in which it is packed: visit(field) for each.
template <class Status, class Visit>
void for_each_number(Status& s, Visit visit) {
  visit(s.timestamp);
  visit(s.start_time);
  visit(s.stop_time);
  visit(s.goal);
  visit(s.current);
  visit(s.goal.count);
  visit(s.current.count);
  visit(s.time_delta);
  visit(s.message_count_delta);
  visit(s.message_count_total);
  visit(s.mem_heap_used);
  visit(s.mem_heap_total);
  visit(s.mem_rss);
  visit(s.mem_external);
  visit(s.storage_used_total);
  visit(s.storage_used_users);
}

void put_varint(std::string& out, std::int64_t value) {
  // Zigzag, then seven bits a byte: small numbers of either sign stay short.
  auto bits = (static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63);
  while (bits >= 0x80) {
    out += static_cast<char>(bits | 0x80);
    bits >>= 7;
  }
  out += static_cast<char>(bits);
}

std::int64_t take_varint(std::string_view& in) {
  std::uint64_t bits = 0;
  for (unsigned shift = 0; shift < 64 && !in.empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(in.front());
    in.remove_prefix(1);
    bits |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
    if (byte < 0x80) break;
  }
  return static_cast<std::int64_t>(bits >> 1) ^ -static_cast<std::int64_t>(bits & 1);
}

void put_float(std::string& out, double value) {
  const auto narrow = static_cast<float>(value);
  char raw[sizeof narrow];
  std::memcpy(raw, &narrow, sizeof narrow);
  out.append(raw, sizeof raw);
}

double take_float(std::string_view& in) {
  float narrow = 0;
  if (in.size() < sizeof narrow) {
    in = {};
    return 0;
  }
  std::memcpy(&narrow, in.data(), sizeof narrow);
  in.remove_prefix(sizeof narrow);
  return static_cast<double>(narrow);
}

std::int64_t to_int(Time value) { return to_unix_ms(value); }
std::int64_t to_int(const Role& value) { return value.first().value; }
std::int64_t to_int(ShardCount value) { return value.value; }
std::int64_t to_int(double value) {
  constexpr double kLimit = 9.0e18;
  return std::isfinite(value) && std::abs(value) < kLimit ? std::llround(value) : 0;
}
void from_int(std::int64_t raw, Time& out) { out = from_unix_ms(raw); }
void from_int(std::int64_t raw, Role& out) { out = Role(ShardId{static_cast<std::int32_t>(raw)}, out.count); }
void from_int(std::int64_t raw, ShardCount& out) { out.value = static_cast<std::int32_t>(raw); }
void from_int(std::int64_t raw, double& out) { out = static_cast<double>(raw); }

}  // namespace

void read(const boost::json::object& from, ShardInfo& info) {
  json::read(from, "key", info.key);
  json::read(from, "isMaster", info.is_master);
  json::read(from, "lastSeen", info.last_seen);
  json::read(from, "lastHeartbeat", info.last_heartbeat);
  json::read(from, "createdTime", info.created_time);
  json::read(from, "bootTime", info.boot_time);
  json::read(from, "stopTime", info.stop_time);
  read(from, kGoalFields, info.goal);
  read(from, kCurrentFields, info.current);
}

boost::json::object to_json(const ShardInfo& info) {
  boost::json::object object{{"id", info.id.str()},
                             {"key", info.key},
                             {"isMaster", info.is_master},
                             {"lastSeen", to_unix_ms(info.last_seen)},
                             {"lastHeartbeat", to_unix_ms(info.last_heartbeat)},
                             {"createdTime", to_unix_ms(info.created_time)},
                             {"bootTime", to_unix_ms(info.boot_time)},
                             {"stopTime", to_unix_ms(info.stop_time)},
                             {"goalShardId", info.goal.first().value},
                             {"currentShardId", info.current.first().value},
                             {"goalShardCount", info.goal.count.value},
                             {"currentShardCount", info.current.count.value}};
  add_ids(info.goal, kGoalFields, object);
  add_ids(info.current, kCurrentFields, object);
  if (info.capacity > 1) object["capacity"] = info.capacity;
  if (!info.host.empty()) object["host"] = info.host;
  return object;
}

void read(const boost::json::object& from, ShardStatus& status) {
  json::read(from, "id", status.id);
  json::read(from, "isMaster", status.is_master);
  json::read(from, "startTime", status.start_time);
  json::read(from, "stopTime", status.stop_time);
  read(from, kGoalFields, status.goal);
  read(from, kCurrentFields, status.current);
  json::read(from, "timestamp", status.timestamp);
  json::read(from, "timeDelta", status.time_delta);
  json::read(from, "messageCountDelta", status.message_count_delta);
  json::read(from, "messageCountTotal", status.message_count_total);
  json::read(from, "memHeapUsed", status.mem_heap_used);
  json::read(from, "memHeapTotal", status.mem_heap_total);
  json::read(from, "memRSS", status.mem_rss);
  json::read(from, "memExternal", status.mem_external);
  json::read(from, "ping", status.ping);
  json::read_number_or_text(from, "storageUsedTotal", status.storage_used_total);
  json::read_number_or_text(from, "storageUsedUsers", status.storage_used_users);
  if (const auto* load = from.if_contains("cpuLoad"); load != nullptr && load->is_array()) {
    status.cpu_load.clear();
    for (const auto& core : load->get_array()) {
      if (status.cpu_load.size() == kMaxCores) break;
      if (core.is_number()) status.cpu_load.push_back(core.to_number<double>());
    }
  }
  if (const auto* const bot = json::object_at(from, "bot")) {
    if (!status.bot) status.bot.emplace();
    read(*bot, *status.bot);
  }
}

boost::json::object to_json(const ShardStatus& status) {
  boost::json::object object{{"id", status.id},
                             {"isMaster", status.is_master},
                             {"startTime", to_unix_ms(status.start_time)},
                             {"stopTime", to_unix_ms(status.stop_time)},
                             {"goalShardId", status.goal.first().value},
                             {"currentShardId", status.current.first().value},
                             {"goalShardCount", status.goal.count.value},
                             {"currentShardCount", status.current.count.value},
                             {"timestamp", to_unix_ms(status.timestamp)},
                             {"timeDelta", status.time_delta},
                             {"messageCountDelta", status.message_count_delta},
                             {"messageCountTotal", status.message_count_total},
                             {"memHeapUsed", status.mem_heap_used},
                             {"memHeapTotal", status.mem_heap_total},
                             {"memRSS", status.mem_rss},
                             {"memExternal", status.mem_external}};
  object["cpuLoad"] = boost::json::array(status.cpu_load.begin(), status.cpu_load.end());
  if (auto cpus = json::parse(status.cpus)) object["cpus"] = std::move(*cpus);
  object["ping"] = status.ping;
  object["storageUsedTotal"] = status.storage_used_total;
  object["storageUsedUsers"] = status.storage_used_users;
  add_ids(status.goal, kGoalFields, object);
  add_ids(status.current, kCurrentFields, object);
  if (status.bot) object["bot"] = to_json(*status.bot);
  return object;
}

std::string pack(const ShardStatus& status) {
  std::string out;
  for_each_number(status, [&](const auto& field) { put_varint(out, to_int(field)); });
  put_float(out, status.ping);
  for (const double load : status.cpu_load) put_float(out, load);
  return out;
}

ShardStatus unpack(std::string_view packed) {
  ShardStatus status;
  for_each_number(status, [&](auto& field) { from_int(take_varint(packed), field); });
  status.ping = take_float(packed);
  while (packed.size() >= sizeof(float)) status.cpu_load.push_back(take_float(packed));
  return status;
}

}  // namespace smaster::fleet
