// What the store has of a fleet: its rows, and notes under names.
#pragma once

#include <string>
#include <vector>

#include "records/shard_info.hpp"
#include "store/store.hpp"

namespace smaster::server {

inline constexpr const char* kTargetNote = "target";
inline constexpr const char* kIdentifyNote = "identify";
inline constexpr const char* kRevokedNote = "revoked";

struct Kept {
  std::vector<fleet::ShardInfo> shards;
  std::string target;    ///< the goal, as planning/target.hpp has it; empty: none
  std::string identify;  ///< what Discord allowed
  std::string revoked;   ///< headers that were used by shards that were revoked of late
};

[[nodiscard]] Result<Kept> read_kept(store::Store& store);

}  // namespace smaster::server
