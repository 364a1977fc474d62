// A fleet's data in the store: the rows, and named notes.
#pragma once

#include <string>
#include <vector>

#include "records/shard_info.hpp"
#include "store/store.hpp"

namespace smaster::server {

inline constexpr const char* kTargetNote = "target";
inline constexpr const char* kDrainedNote = "drained";
inline constexpr const char* kIdentifyNote = "identify";
inline constexpr const char* kRevokedNote = "revoked";

struct Kept {
  std::vector<fleet::ShardInfo> shards;
  std::string target;        ///< the goal (planning/target.hpp); empty: none
  std::string identify;      ///< Discord's limits and the login budget
  std::string revoked;       ///< used headers of recently revoked shards
  std::string drained = {};  ///< the drained hosts; empty: none
};

/// Reads it from the store; blocks.
[[nodiscard]] Result<Kept> read_kept(store::Store& store);

}  // namespace smaster::server
