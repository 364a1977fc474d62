// Converts files of the original Node.js master. Source: WIRE.md, "Files of the original". Text in, values
// out.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "records/samples.hpp"
#include "records/shard_info.hpp"

namespace smaster::fleet {

/// Parses a knownShards.json. Errors: bad_data, with the first invalid shard. Every distinct key is
/// validated.
[[nodiscard]] Result<std::vector<ShardInfo>> read_known_shards(std::string_view text);

struct ForeignHistory {
  std::vector<SampleBlock> blocks;
  std::size_t samples = 0;  ///< number of imported statuses
  std::size_t old = 0;      ///< number of statuses before `oldest`
  std::size_t strange = 0;  ///< number of statuses of shards not in `names`
};

/// Parses a shardStatsHistory.json. Statuses of other shards, or older than `oldest`, are only counted.
[[nodiscard]] Result<ForeignHistory> read_history(std::string_view text,
                                                  const std::set<std::string, std::less<>>& names,
                                                  Time oldest);

}  // namespace smaster::fleet
