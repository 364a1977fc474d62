// Statistics and history in formats for people and programs, all from the same JSON.
#pragma once

#include <boost/json/object.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "control/columns.hpp"
#include "control/table.hpp"

namespace smaster::control {

/// A table for people: what is wrong with the server, a line of totals, then the shards in the given order.
/// `now_ms`: current unix time, for "ago". `columns`: of the shards; empty: the usual ones.
[[nodiscard]] std::string stats_as_table(const boost::json::object& stats, std::int64_t now_ms,
                                         const Look& look, const Columns& columns = {});
/// The parts of that table: totals, drained hosts and the login queue (may be empty), the shards.
[[nodiscard]] std::string totals_line(const boost::json::object& stats);
[[nodiscard]] std::string drained_line(const boost::json::object& stats);
[[nodiscard]] std::string identify_line(const boost::json::object& stats);
[[nodiscard]] Table shard_table(const boost::json::object& stats, std::int64_t now_ms);
/// What is wrong with the server itself: sentences for a terminal.
[[nodiscard]] std::vector<std::string> server_troubles(const boost::json::object& stats);
/// A shard's problems that have no column in the table.
[[nodiscard]] std::vector<std::string> shard_troubles(const boost::json::object& shard);
/// Those of all: one line per shard, up to a limit.
[[nodiscard]] std::string trouble_lines(const boost::json::object& stats);
/// Formats a time in unix milliseconds: "5 min ago"; "never" for none.
[[nodiscard]] std::string ago(double ms, std::int64_t now_ms);
/// A unix time in milliseconds as "2026-11-28 21:25:21", in the local time zone.
[[nodiscard]] std::string local_time(std::int64_t ms);
/// Formats a size: "1.5 MiB".
[[nodiscard]] std::string bytes(double value);
/// One JSON line per shard.
[[nodiscard]] std::string stats_as_ndjson(const boost::json::object& stats);
/// A figure of a shard that is exported to Prometheus.
enum class Figure {
  shard_id,
  connected,
  last_seen,
  messages,
  heap_used,
  resident,
  cpu_load,
  bot_cpu,
  ping,
  storage_used,
  bot_deaths,
  bot_crash_loop,
  bot_askable,
  duplicate,
  status,
  parked_until,
  state  ///< a label: the value is 1
};
struct ShardGauge {
  Figure figure;
  std::string_view name;
  std::string_view key;  ///< its name in the JSON of the stats
  std::string_view help;
  /// Where it is: the registry row, the last status, or the status' `bot`.
  enum class In { row, stats, bot } in;
  double scale;
};
[[nodiscard]] std::span<const ShardGauge> shard_gauges();
/// The field of a shard's row, of its last status or of the status' `bot`; null if missing.
[[nodiscard]] const boost::json::value* shard_field(const boost::json::object& shard, std::string_view key,
                                                    ShardGauge::In in);

/// Parts of Prometheus' text format 0.0.4: totals; and for each gauge a head, then one line per shard.
[[nodiscard]] std::string totals_as_prometheus(const boost::json::object& counts);
[[nodiscard]] std::string gauge_head(const ShardGauge& gauge);
void append_gauge(std::string& out, const ShardGauge& gauge, std::string_view shard, double value);
void append_state(std::string& out, const ShardGauge& gauge, std::string_view shard, std::string_view state);
/// The complete text.
[[nodiscard]] std::string stats_as_prometheus(const boost::json::object& stats);

/// History is {name: [ShardStatus…]}; all formats have one line per sample.
[[nodiscard]] std::string history_as_table(const boost::json::object& history, const Look& look);
[[nodiscard]] std::string history_as_ndjson(const boost::json::object& history);
[[nodiscard]] std::string history_as_csv(const boost::json::object& history, bool header);

/// CSV as in RFC 4180.
[[nodiscard]] std::string csv(const std::vector<Row>& rows);

}  // namespace smaster::control
