#include "fleet/import.hpp"

#include <algorithm>
#include <boost/json/object.hpp>
#include <unordered_set>
#include <utility>

#include "crypto/keys.hpp"
#include "json/json.hpp"

namespace smaster::fleet {

Result<std::vector<ShardInfo>> read_known_shards(std::string_view text) {
  const auto value = json::parse(text);
  if (!value) return value.error();
  if (!value->is_object())
    return fail(ErrorKind::bad_data, "not a knownShards.json: it is not an object of shards");
  std::vector<ShardInfo> shards;
  std::unordered_set<std::string> good_keys;
  for (const auto& [name_text, row] : value->get_object()) {
    const auto quoted = "shard \"" + std::string(name_text).substr(0, 80) + "\": ";
    const auto name = ShardName::parse({name_text.data(), name_text.size()});
    if (!name) return fail(ErrorKind::bad_data, quoted + "its name is not three or more letters a-z");
    if (!row.is_object()) return fail(ErrorKind::bad_data, quoted + "not an object");
    ShardInfo info(*name);
    read(row.get_object(), info);
    std::string id = name->str();
    json::read(row.get_object(), "id", id);
    if (id != name->str()) return fail(ErrorKind::bad_data, quoted + "its id is \"" + id.substr(0, 80) + '"');
    if (!good_keys.contains(info.key)) {
      if (const auto good = crypto::check_public_key(info.key); !good) {
        return fail(ErrorKind::bad_data, quoted + "its key is " + good.error().message);
      }
      good_keys.insert(info.key);
    }
    shards.push_back(std::move(info));
  }
  return shards;
}

Result<ForeignHistory> read_history(std::string_view text, const std::set<std::string, std::less<>>& names,
                                    Time oldest) {
  const auto value = json::parse(text);
  if (!value) return value.error();
  const auto wrong =
      fail(ErrorKind::bad_data, "not a shardStatsHistory.json: it is not an object of lists of statuses");
  if (!value->is_object()) return wrong;
  ForeignHistory found;
  for (const auto& [key, list] : value->get_object()) {
    if (!list.is_array()) return wrong;
    const std::string_view name_text(key.data(), key.size());
    const auto name = ShardName::parse(name_text);
    if (!name || !names.contains(name_text)) {
      found.strange += list.get_array().size();
      continue;
    }
    Time last = kNever;
    for (const auto& row : list.get_array()) {
      if (!row.is_object()) return wrong;
      ShardStatus status;
      read(row.get_object(), status);
      if (status.timestamp < oldest) {
        ++found.old;
        continue;
      }
      last = std::max(status.timestamp, last + Millis{1});  // the moment identifies a sample
      found.samples.push_back({*name, last, pack(status)});
    }
  }
  return found;
}

}  // namespace smaster::fleet
