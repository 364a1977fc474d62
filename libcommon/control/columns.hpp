// The columns in which shards are shown: each has the same value in the table, where it is written for
// people, and in CSV.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "control/table.hpp"

namespace smaster::control {

/// Names of columns, in their order.
using Columns = std::vector<std::string_view>;

/// Parses "name,state,host". Errors: usage, with the names that there are.
[[nodiscard]] Result<Columns> parse_columns(std::string_view text);
/// All columns with their meanings.
[[nodiscard]] std::string columns_help();

/// The table that is shown without a choice: the columns that some shard has a value for, of which a narrow
/// terminal shows the most useful ones. `now_ms`: current unix time, for "ago".
[[nodiscard]] Table usual_table(const boost::json::object& stats, std::int64_t now_ms);
/// A table of these columns, in their order.
[[nodiscard]] Table columns_table(const boost::json::object& stats, const Columns& columns,
                                  std::int64_t now_ms);

/// All figures in CSV.
[[nodiscard]] const Columns& csv_columns();
/// A header and one line per shard; quoted as in RFC 4180. Times are unix milliseconds, sizes bytes.
[[nodiscard]] std::string columns_csv(const boost::json::object& stats, const Columns& columns);

/// A value as a cell of CSV; empty if there is none.
[[nodiscard]] std::string csv_cell(const boost::json::value* value);

/// The state of the logins of a shard's bot: "ready", "waiting", "refused (4004)", "3 of 4 ready"; empty:
/// unknown.
[[nodiscard]] std::string login_state(const boost::json::object& shard);
/// When a bot that does not run is started again, in unix milliseconds; 0: unknown, or it runs.
[[nodiscard]] std::int64_t next_start(const boost::json::object& shard);

}  // namespace smaster::control
