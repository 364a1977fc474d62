// What the Node.js master has on disk, read as ours. Source: WIRE.md, "Files of the original". Text in,
// values out.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "records/samples.hpp"
#include "records/shard_info.hpp"

namespace smaster::fleet {

/// The shards of a knownShards.json. bad_data names the first that does not fit; every key is parsed, equal
/// ones once.
[[nodiscard]] Result<std::vector<ShardInfo>> read_known_shards(std::string_view text);

struct ForeignHistory {
  std::vector<SampleBlock> blocks;
  std::size_t samples = 0;  ///< statuses in them
  std::size_t old = 0;      ///< statuses from before `oldest`
  std::size_t strange = 0;  ///< statuses of others than `names`
};

/// The statuses of a shardStatsHistory.json that are of these shards and not older than `oldest`; the others
/// are counted.
[[nodiscard]] Result<ForeignHistory> read_history(std::string_view text,
                                                  const std::set<std::string, std::less<>>& names,
                                                  Time oldest);

}  // namespace smaster::fleet
