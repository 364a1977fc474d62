// Encodes a result's rows as JSON while they are read, with types that JavaScript keeps exact: integers
// beyond 2^53 and decimals become strings; blobs are kept separately.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "sql/sql.hpp"

namespace smaster::sql {

class Rows {
 public:
  /// Of columns with equal names the last one is kept, as in a JavaScript object.
  Rows(const Limits& limits, std::vector<std::string> columns);

  /// Between `begin` and `end`, one call of the following for each column, in order.
  void begin();
  void null();
  void boolean(bool value);
  void integer(std::int64_t value);
  void unsigned_integer(std::uint64_t value);
  void real(double value);
  /// A number in the database's spelling; becomes a string if JavaScript would round it.
  void number(std::string_view text);
  void text(std::string_view value);
  void blob(std::string_view value);
  /// JSON from the database; becomes a string if it is invalid.
  void json(std::string_view value);
  /// Errors: bad_data once there are too many rows or bytes. The excess is not kept.
  [[nodiscard]] Result<void> end();

  [[nodiscard]] Outcome take();

 private:
  void put(std::string_view json);
  /// Counts the bytes of a value; false if they exceed the limit.
  bool fits(std::size_t bytes);

  const std::size_t max_rows_;
  Outcome outcome_;
  std::vector<std::string> keys_;  ///< quoted, with a colon; empty: a later column has the same name
  std::size_t column_ = 0;
  bool first_ = true;
  std::size_t rows_ = 0;
  std::size_t bytes_ = 0;  ///< size of all values as received
  bool too_large_ = false;
};

/// The JSON placeholder of blob `number`.
[[nodiscard]] std::string placeholder(std::size_t number);

[[nodiscard]] Error too_large();

/// {affectedRows, insertId, changedRows}.
[[nodiscard]] Outcome without_rows(std::uint64_t affected, std::uint64_t insert_id, std::uint64_t changed);

/// Converts "2024-01-02 03:04:05.5" to ISO 8601, with a Z if `utc`. Other texts are returned unchanged.
[[nodiscard]] std::string iso_time(std::string_view text, bool utc);

}  // namespace smaster::sql
