// Which statements read access lets through to a database server. The transaction that they run in is
// read-only as well; this keeps away the statements that could end it. Knows no database.
#pragma once

#include <string_view>

#include "base/result.hpp"

namespace smaster::sql {

/// not_permitted unless the text begins as a query does: SELECT, WITH, SHOW, EXPLAIN, DESCRIBE, VALUES or
/// TABLE.
[[nodiscard]] Result<void> check_reads(std::string_view statement);

}  // namespace smaster::sql
