// What `smaster doctor` says of the shards and their agents. Collects one shard at a time, so that a large
// fleet can be looked at in slices. Time is passed in.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "checks/finding.hpp"
#include "fleet/planner.hpp"
#include "server/shards/directory.hpp"
#include "settings/settings.hpp"

namespace smaster::server {

class FleetLook {
 public:
  struct Clocks {
    Time wall;       ///< this machine's clock
    Time fleet;      ///< net::fleet_clock
    Instant steady;  ///< net::now
  };
  FleetLook(ShardCount goal, const Clocks& now) : goal_(goal), now_(now) {}

  /// `state`: as `smaster stats` shows it; `address`: of its connection, empty for none.
  void add(const Shard& shard, std::string_view state, const std::string& address);

  /// Clocks, versions, confinement, configs used twice, shards, bots.
  [[nodiscard]] std::vector<checks::Finding> findings() const;
  /// Whether there are shards for all ids of the goal.
  [[nodiscard]] checks::Finding check_goal(bool auto_count) const;
  /// Whether a change of the shard count makes progress. `login_in`: time until the next login may start, if
  /// logins wait.
  [[nodiscard]] checks::Finding check_reshard(const fleet::Progress& progress,
                                              std::optional<Millis> login_in) const;

 private:
  void look_at_connection(const Shard& shard, std::string_view state, const std::string& name);
  void look_at_bot(const Shard& shard, std::string_view state, const std::string& name);
  void look_at_agent(const Shard& shard, const std::string& name, const std::string& place);
  /// True for the first shard at this place with a problem of this kind: its other shards have the same one.
  [[nodiscard]] bool is_first(const char* kind, const std::string& place);

  const ShardCount goal_;
  const Clocks now_;
  std::int64_t known_ = 0;
  std::int64_t capacity_ = 0;  ///< ids that the known shards can take
  std::int64_t assigned_ = 0;  ///< ids of the goal that a shard has
  std::int64_t connected_ = 0;
  std::int64_t agents_ = 0;
  checks::Check clock_{"clock"};
  checks::Check versions_{"versions"};
  checks::Check confinement_{"confinement"};
  checks::Check duplicates_{"duplicates"};
  checks::Check shards_{"shards"};
  checks::Check bots_{"bots"};
  std::vector<std::string> blockers_;  ///< shards with ids that do not run; the first few
  std::set<std::string> places_;       ///< for is_first
};

}  // namespace smaster::server
