#include "records/shard_info.hpp"

#include <boost/json/array.hpp>
#include <numeric>

#include "base/text.hpp"
#include "json/json.hpp"

namespace smaster::fleet {
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
  object["ping"] = status.ping;
  object["storageUsedTotal"] = status.storage_used_total;
  object["storageUsedUsers"] = status.storage_used_users;
  add_ids(status.goal, kGoalFields, object);
  add_ids(status.current, kCurrentFields, object);
  if (status.bot) object["bot"] = to_json(*status.bot);
  return object;
}

std::string to_text(const ShardStatus& status) {
  auto text = json::serialize(to_json(status));
  text.back() = ',';
  return text.append("\"cpus\":").append(status.cpus) += '}';
}

double mean_load(const ShardStatus& status) {
  const auto& loads = status.cpu_load;
  const auto sum = std::accumulate(loads.begin(), loads.end(), 0.0);
  return loads.empty() ? 0 : sum / static_cast<double>(loads.size());
}

}  // namespace smaster::fleet
