// The check that a statement is a query, for read access to a database server. Such statements run in a
// read-only transaction; this check rejects those that could end it. Knows no database.
#pragma once

#include <string_view>

#include "base/result.hpp"

namespace smaster::sql {

/// Errors: not_permitted unless the statement starts with SELECT, WITH, SHOW, EXPLAIN, DESCRIBE (DESC),
/// VALUES or TABLE.
[[nodiscard]] Result<void> check_reads(std::string_view statement);

}  // namespace smaster::sql
