// The fleet as the dashboard shows it: rows that change, events, and figures over time.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <string>

#include "fleet/series.hpp"
#include "net/asio.hpp"

namespace smaster::server {

class Core;
struct Shard;

class FleetView {
 public:
  explicit FleetView(Core& core);

  /// Reads the past, a shard at a time, and then follows the fleet until stop.
  net::Task<> run();
  void stop();

  /// Counts up with each look at the fleet.
  [[nodiscard]] std::uint64_t moment() const { return moment_; }
  /// What has changed since that moment as JSON: `head` with the counts, `rows` of shards, `gone` names,
  /// `events`. Since 0: everything.
  [[nodiscard]] std::string changes(std::uint64_t since) const;

  /// Figures over time: `{"start":MS,"step":MS,"sum":[…],"shards":{NAME:[…]}}`, null where nothing is known.
  /// Amounts are summed over all shards, CPU and ping are means. `names`: whose own figures are added.
  [[nodiscard]] std::string series(fleet::Metric metric, const fleet::Resolution& resolution,
                                   const std::set<std::string>& names, bool all) const;

 private:
  struct Row {
    std::string json;
    std::uint64_t changed = 0;
    // What it is made of; the rest changes only with a status.
    Time seen = fleet::kNever;
    fleet::Role goal;
    const void* session = nullptr;
    // What events are told from.
    std::string state;
    Time start_time = fleet::kNever;
    std::int64_t deaths = 0;
    Time status_at = fleet::kNever;
  };
  struct Event {
    std::uint64_t moment;
    std::string json;
  };

  net::Task<> read_past();
  void look();
  void compare(const Shard& shard, Row& row, bool fresh);
  void tell(std::string what, const std::string& name, const std::string& ids);
  [[nodiscard]] boost::json::object head() const;

  Core& core_;
  net::Timer pause_;
  bool stopped_ = false;
  std::uint64_t moment_ = 0;
  std::int32_t goal_ = -1;
  std::map<ShardName, Row> rows_;
  std::map<ShardName, fleet::Series> series_;
  std::set<ShardName> unread_;  ///< whose past is not in their series yet
  std::deque<Event> events_;
  std::deque<std::pair<std::uint64_t, std::string>> gone_;
};

}  // namespace smaster::server
