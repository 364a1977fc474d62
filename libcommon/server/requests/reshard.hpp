// Another shard count, or the ids evened out over the hosts: what will happen, and how far it is.
#pragma once

#include <boost/json/object.hpp>
#include <memory>
#include <optional>

#include "base/result.hpp"
#include "control/server.hpp"
#include "fleet/planner.hpp"

namespace smaster::server {

class Core;

/// What is asked for. Without a count: even out the hosts.
struct Reshard {
  std::optional<ShardCount> count;
  std::optional<fleet::Strategy> strategy;  ///< none: by the spares there are
  bool dry_run = false;
  bool wait = false;
  Millis timeout{0};  ///< how long to wait
};

/// Lines: `{"plan":{…}}` first, then, where it is waited for, `{"progress":{…}}` whenever there is some, and
/// `{"end":{"done":…}}`. Fails where it cannot be done as asked.
[[nodiscard]] net::Task<Result<std::shared_ptr<control::LineStream>>> reshard(Core& core, Reshard request);

}  // namespace smaster::server
