// The last minutes of the shards that are on the screen, as sparklines.
#pragma once

#include <boost/json/array.hpp>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "control/sparkline.hpp"
#include "watch/snapshot.hpp"

namespace smaster::watch {

class Past {
 public:
  /// Maximum time that is shown, in milliseconds.
  static constexpr std::int64_t kWindow = 15 * 60'000;

  /// Adds the present statuses of the shards that are known here.
  void remember(const Snapshot& snapshot);
  /// Adds a shard's statuses of the time before.
  void add(const std::string& name, const boost::json::array& statuses);
  /// True once for each shard: its past is to be asked for.
  [[nodiscard]] bool asks_for(const std::string& name) { return samples_.try_emplace(name).second; }
  /// Forgets the shards that are not on the screen, if there are many.
  void keep(const std::vector<std::string>& shown);

  [[nodiscard]] std::string drawn(const std::string& name, double control::Sample::*which, std::size_t width,
                                  std::int64_t now_ms, bool utf8) const;

 private:
  static constexpr std::size_t kMost = 500;

  void find_oldest();

  std::map<std::string, std::vector<control::Sample>> samples_;
  std::optional<double> oldest_;  ///< where all sparklines begin, so that they can be compared
};

}  // namespace smaster::watch
