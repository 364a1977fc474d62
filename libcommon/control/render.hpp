// Statistics and history in the formats people and programs read, all from the same JSON.
#pragma once

#include <boost/json/object.hpp>
#include <string>
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
/// Prometheus' text format 0.0.4.
[[nodiscard]] std::string stats_as_prometheus(const boost::json::object& stats);

/// History is {name: [ShardStatus…]}: one sample a line in every format.
[[nodiscard]] std::string history_as_table(const boost::json::object& history, const Look& look);
[[nodiscard]] std::string history_as_ndjson(const boost::json::object& history);
[[nodiscard]] std::string history_as_csv(const boost::json::object& history, bool header);

/// Rows as RFC 4180 has them.
[[nodiscard]] std::string csv(const std::vector<Row>& rows);

}  // namespace smaster::control
