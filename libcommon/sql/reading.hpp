// What statements for a database server may not contain. With read access they run in a read-only
// transaction; the check that they are queries rejects those that could end it. Knows no database.
#pragma once

#include <string_view>

#include "base/result.hpp"

namespace smaster::sql {

/// Errors: not_permitted unless the statement starts with SELECT, WITH, SHOW, EXPLAIN, DESCRIBE (DESC),
/// VALUES or TABLE.
[[nodiscard]] Result<void> check_reads(std::string_view statement);

/// Errors: not_permitted if the statement has the word XA outside of quotes and comments, followed by a
/// command: a prepared XA transaction outlives its connection, with its locks.
[[nodiscard]] Result<void> check_no_xa(std::string_view statement);

}  // namespace smaster::sql
