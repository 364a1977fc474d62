// The dashboard's view of the fleet: rows and their changes, events, and figures over time.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <string>

#include "net/asio.hpp"
#include "net/pieces.hpp"
#include "records/series.hpp"
#include "server/persistence/status_history.hpp"
#include "server/stats/stats.hpp"

namespace smaster::server {

struct Shard;

class FleetView {
 public:
  struct Parts {
    net::asio::io_context& context;
    const StatsParts& stats;
    StatusHistory& history;
  };
  explicit FleetView(const Parts& parts);

  /// Reads the history, one shard at a time, then follows the fleet until `stop`.
  net::Task<> run();
  void stop();

  /// Number of finished scans of the fleet.
  [[nodiscard]] std::uint64_t moment() const { return moment_; }
  /// False if the names of some shards that were revoked after moment `since` are forgotten: who knows the
  /// fleet of that moment needs everything again.
  [[nodiscard]] bool knows(std::uint64_t since) const { return since == 0 || since >= forgotten_; }
  /// The changes after moment `since` as JSON: `head` with the counts, changed `rows` of shards, names of
  /// revoked shards (`gone`), and `events`. `since` 0: everything. No piece ends within a row.
  [[nodiscard]] net::Pieces changes(std::uint64_t since);

  /// Figures over time: `{"start":MS,"step":MS,"shards":{NAME:[…]},"sum":[…]}`, null: no data. `sum` is the
  /// sum over all shards, for CPU and ping the mean. `names`: shards whose own figures are included; `all`:
  /// every shard's.
  [[nodiscard]] net::Pieces series(fleet::Metric metric, const fleet::Resolution& resolution,
                                   std::set<std::string> names, bool all);

 private:
  struct Row {
    std::string json;
    std::uint64_t changed = 0;
    // The values that the row depends on; others change only with a status.
    Time seen = fleet::kNever;
    fleet::Assignment goal;
    const void* session = nullptr;
    // The values that events are derived from.
    std::string state;
    Time start_time = fleet::kNever;
    std::int64_t deaths = 0;
    Instant status_at{};  ///< of the last status in the series
  };
  struct Event {
    std::uint64_t moment;
    std::string json;
  };
  struct Changes;
  struct Graph;

  net::Task<> read_past();
  /// Scans all shards, in slices. The results become visible at the end, with the next moment.
  net::Task<> look();
  void compare(const Shard& shard, std::string_view state, Row& row, bool fresh);
  void tell(std::string what, const std::string& name, const std::string& ids);
  [[nodiscard]] boost::json::object head() const;

  const Parts parts_;
  net::Timer pause_;
  bool stopped_ = false;
  std::uint64_t moment_ = 0;
  ShardCounts counts_;
  std::int32_t goal_ = -1;
  std::map<ShardName, Row> rows_;
  std::map<ShardName, fleet::Series> series_;
  std::set<ShardName> unread_;  ///< shards whose history is not read yet
  std::deque<Event> events_;
  std::deque<std::pair<std::uint64_t, std::string>> gone_;
  std::uint64_t forgotten_ = 0;  ///< the last moment of which names in gone_ were dropped
};

}  // namespace smaster::server
