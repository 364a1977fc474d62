#include "records/import.hpp"

#include <algorithm>
#include <boost/json/object.hpp>
#include <unordered_set>
#include <utility>

#include "crypto/keys.hpp"
#include "json/json.hpp"
#include "records/status_text.hpp"

namespace smaster::fleet {
namespace {

void add_blocks(const ShardName& name, std::vector<ShardStatus> statuses, ForeignHistory& to) {
  std::stable_sort(statuses.begin(), statuses.end(),
                   [](const ShardStatus& a, const ShardStatus& b) { return a.timestamp < b.timestamp; });
  OpenBlock open(name);
  for (const auto& status : statuses) {
    if (auto full = open.add(status.timestamp, status)) to.blocks.push_back(std::move(*full));
  }
  if (!open.empty()) to.blocks.push_back(open.block(true));
  to.samples += statuses.size();
}

}  // namespace

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
  const auto wrong =
      fail(ErrorKind::bad_data, "not a shardStatsHistory.json: it is not an object of lists of statuses");
  const auto lists = json::split_object(text);
  if (!lists) return json::valid(text) ? wrong : lists.error();
  ForeignHistory found;
  for (const auto& [name_text, list] : *lists) {
    const auto rows = json::split_array(list);
    if (!rows) return wrong;
    const auto name = ShardName::parse(name_text);
    if (!name || !names.contains(name_text)) {
      found.strange += rows->size();
      continue;
    }
    std::vector<ShardStatus> statuses;
    for (const auto row : *rows) {
      ShardStatus status;
      if (!read_status(row, status)) return wrong;
      if (status.timestamp < oldest) {
        ++found.old;
      } else {
        statuses.push_back(std::move(status));
      }
    }
    add_blocks(*name, std::move(statuses), found);
  }
  return found;
}

}  // namespace smaster::fleet
