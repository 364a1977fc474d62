// Choosing shards by what `smaster stats --json` says of them: "state=silent", "stats.ping>200,host=ams1".
#pragma once

#include <boost/json/object.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace smaster::server {

/// One comparison of a field of a shard's row with a text or number.
struct Condition {
  enum class Compare { equal, not_equal, less, at_most, more, at_least };
  std::string path;  ///< of the field; a dot leads into an object
  Compare compare = Compare::equal;
  std::string value;
};

/// Conditions with commas between, all of which must hold: FIELD, one of = != < <= > >=, VALUE. usage when it
/// is none.
[[nodiscard]] Result<std::vector<Condition>> parse_where(std::string_view text);

/// Whether the row has the field at all. `name` stands for `id`.
[[nodiscard]] bool has_field(const boost::json::object& row, const std::string& path);

/// Whether all conditions hold. Numbers are compared as such where both sides are; < and its like hold only
/// for numbers.
[[nodiscard]] bool fulfils(const boost::json::object& row, const std::vector<Condition>& conditions);

}  // namespace smaster::server
