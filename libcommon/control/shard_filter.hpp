// Selects shards by the fields of `smaster stats --json`: "state=silent", "stats.ping>200,host=ams1".
#pragma once

#include <boost/json/object.hpp>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace smaster::control {

/// One comparison of a field of a shard's row with a text or number.
struct Condition {
  enum class Compare { equal, not_equal, less, at_most, more, at_least };
  std::string path;  ///< path of the field; a dot leads into an object
  Compare compare = Compare::equal;
  std::string value;
};

/// Parses conditions separated by commas, all of which must hold: FIELD, one of = != < <= > >=, VALUE.
/// Errors: usage.
[[nodiscard]] Result<std::vector<Condition>> parse_where(std::string_view text);

/// True if the row has the field. `name` stands for `id`.
[[nodiscard]] bool has_field(const boost::json::object& row, const std::string& path);

/// True if all conditions hold. Two numbers are compared as numbers; <, <=, > and >= hold only for numbers.
[[nodiscard]] bool fulfils(const boost::json::object& row, const std::vector<Condition>& conditions);

/// The answer to a condition on a field that no shard has.
[[nodiscard]] Error unknown_field(const std::string& path);
/// The answer to the label of a host without shards. `known`: those of all shards.
[[nodiscard]] Error unknown_host(const std::string& host, const std::set<std::string>& known);

/// Keeps the shards of the stats for which all conditions hold. Errors: usage, as above.
[[nodiscard]] Result<void> keep_where(boost::json::object& stats, const std::vector<Condition>& conditions);
/// Keeps the shards on this host. Errors: not_found if there is none.
[[nodiscard]] Result<void> keep_host(boost::json::object& stats, const std::string& host);

}  // namespace smaster::control
