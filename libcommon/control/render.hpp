// Statistics and history in the formats people and programs read, all from the same JSON.
#pragma once

#include <boost/json/object.hpp>
#include <set>
#include <string>
#include <vector>

namespace smaster::control {

/// A table for people: a line of totals, then the shards in order of id. `now_ms`: what "ago" is counted
/// from.
[[nodiscard]] std::string stats_as_table(const boost::json::object& stats, std::int64_t now_ms);
/// One shard a line.
[[nodiscard]] std::string stats_as_ndjson(const boost::json::object& stats);
/// A header and one shard a line; fields quoted as RFC 4180 has it.
[[nodiscard]] std::string stats_as_csv(const boost::json::object& stats);
/// Prometheus' text format 0.0.4.
[[nodiscard]] std::string stats_as_prometheus(const boost::json::object& stats);

/// History is {name: [ShardStatus…]}: one sample a line in every format.
[[nodiscard]] std::string history_as_table(const boost::json::object& history);
[[nodiscard]] std::string history_as_ndjson(const boost::json::object& history);
[[nodiscard]] std::string history_as_csv(const boost::json::object& history, bool header);

/// Rows as RFC 4180 has them.
[[nodiscard]] std::string csv(const std::vector<std::vector<std::string>>& rows);

/// Rows as columns wide enough for their longest cell; the last one is not padded.
[[nodiscard]] std::string align(const std::vector<std::vector<std::string>>& rows);

/// Removes the shards whose goal id is not in `ids`.
void keep_shards(boost::json::object& stats, const std::set<std::int64_t>& ids);

}  // namespace smaster::control
