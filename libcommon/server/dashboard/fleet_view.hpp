// The dashboard's view of the fleet: rows and their changes, events, and figures over time.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "net/asio.hpp"
#include "net/pieces.hpp"
#include "records/series.hpp"
#include "server/dashboard/state_totals.hpp"
#include "server/events/events.hpp"
#include "server/persistence/status_history.hpp"
#include "server/stats/event_list.hpp"
#include "server/stats/stats.hpp"

namespace smaster::server {

struct Shard;

class FleetView {
 public:
  struct Parts {
    net::asio::io_context& context;
    const StatsParts& stats;
    StatusHistory& history;
    const EventParts& event_list;
  };
  explicit FleetView(const Parts& parts);

  /// Reads the last events, and the history, one shard at a time, then follows the fleet until `stop`.
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
  /// every shard's. `host`: only shards with this label; empty: those of all hosts.
  [[nodiscard]] net::Pieces series(fleet::Metric metric, const fleet::Resolution& resolution,
                                   std::set<std::string> names, bool all, std::string host = {});
  /// Numbers of shards by state over time (StateTotals::to_text), since this server leads.
  [[nodiscard]] std::string states(const fleet::Resolution& resolution) const;

 private:
  struct Row {
    std::string json;
    std::uint64_t changed = 0;
    // The values that the row is made of. Figures are none of them: they change all the time.
    fleet::Assignment goal;
    const void* session = nullptr;
    std::string state;
    std::string host;
    std::int64_t deaths = 0;
    Time since = fleet::kNever;  ///< begin of the state; kNever: before the first scan
    Instant status_at{};         ///< of the last status in the series
  };
  struct Event {
    std::uint64_t moment;
    std::uint64_t id;
    std::string json;
  };
  struct Changes;
  struct Graph;

  net::Task<> read_past();
  net::Task<> read_past_events();
  /// Scans all shards, in slices. The results become visible at the end, with the next moment.
  net::Task<> look();
  void compare(const Shard& shard, std::string_view state, Row& row, bool fresh);
  [[nodiscard]] boost::json::object head() const;

  const Parts parts_;
  net::Timer pause_;
  bool stopped_ = false;
  std::uint64_t moment_ = 0;
  ShardCounts counts_;
  StateTotals totals_;
  std::map<ShardName, Row> rows_;
  std::map<ShardName, fleet::Series> series_;
  std::set<ShardName> unread_;  ///< shards whose history is not read yet
  std::deque<Event> events_;
  std::optional<Events::Subscription> news_;
  std::deque<std::pair<std::uint64_t, std::string>> gone_;
  std::uint64_t forgotten_ = 0;  ///< the last moment of which names in gone_ were dropped
};

}  // namespace smaster::server
