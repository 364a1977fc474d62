// Selects shards by the fields of `smaster stats --json`: "state=silent", "stats.ping>200,host=ams1".
#pragma once

#include <boost/json/object.hpp>
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

}  // namespace smaster::control
