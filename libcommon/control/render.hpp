// Statistics and history in the formats people and programs read, all from the same JSON.
#pragma once

#include <boost/json/object.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "control/table.hpp"

namespace smaster::control {

/// A table for people: a line of totals, then the shards as they come. `now_ms`: what "ago" is counted from.
[[nodiscard]] std::string stats_as_table(const boost::json::object& stats, std::int64_t now_ms,
                                         const Look& look);
/// Its parts: the line of totals, what waits for logins (which may be nothing), the shards.
[[nodiscard]] std::string totals_line(const boost::json::object& stats);
[[nodiscard]] std::string identify_line(const boost::json::object& stats);
[[nodiscard]] Table shard_table(const boost::json::object& stats, std::int64_t now_ms);
/// "1.5 MiB".
[[nodiscard]] std::string bytes(double value);
/// One shard a line.
[[nodiscard]] std::string stats_as_ndjson(const boost::json::object& stats);
/// A header and one shard a line; fields quoted as RFC 4180 has it.
[[nodiscard]] std::string stats_as_csv(const boost::json::object& stats);
/// A figure of a shard that Prometheus gets.
enum class Figure {
  shard_id,
  connected,
  last_seen,
  messages,
  heap_used,
  resident,
  cpu_load,
  ping,
  storage_used,
  bot_deaths,
  bot_crash_loop,
  bot_askable,
  duplicate
};
struct ShardGauge {
  Figure figure;
  std::string_view name;
  std::string_view key;  ///< in the JSON of the stats
  std::string_view help;
  enum class In { row, stats, bot } in;  ///< the registry's row, the last status, or its `bot`
  double scale;
};
[[nodiscard]] std::span<const ShardGauge> shard_gauges();

/// The parts of Prometheus' text format 0.0.4: the totals, and of each gauge its head and a line a shard.
[[nodiscard]] std::string totals_as_prometheus(const boost::json::object& counts);
[[nodiscard]] std::string gauge_head(const ShardGauge& gauge);
void append_gauge(std::string& out, const ShardGauge& gauge, std::string_view shard, double value);
/// All of it.
[[nodiscard]] std::string stats_as_prometheus(const boost::json::object& stats);

/// History is {name: [ShardStatus…]}: one sample a line in every format.
[[nodiscard]] std::string history_as_table(const boost::json::object& history, const Look& look);
[[nodiscard]] std::string history_as_ndjson(const boost::json::object& history);
[[nodiscard]] std::string history_as_csv(const boost::json::object& history, bool header);

/// Rows as RFC 4180 has them.
[[nodiscard]] std::string csv(const std::vector<Row>& rows);

}  // namespace smaster::control
