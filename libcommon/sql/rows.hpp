// A result's rows as they are read, written down as JSON in the types that JavaScript keeps: integers beyond
// 2^53 and decimals as text, blobs apart.
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
  /// Of equal names the last one's value is kept, as objects do.
  Rows(const Limits& limits, std::vector<std::string> columns);

  /// A row's values, one call for each column in turn, between `begin` and `end`.
  void begin();
  void null();
  void boolean(bool value);
  void integer(std::int64_t value);
  void unsigned_integer(std::uint64_t value);
  void real(double value);
  /// A number as the database prints it; text where JavaScript would round it.
  void number(std::string_view text);
  void text(std::string_view value);
  void blob(std::string_view value);
  /// JSON of the database's own; text when it is none.
  void json(std::string_view value);
  /// bad_data once there are too many rows, or they are too large. Of what is too large nothing more is kept.
  [[nodiscard]] Result<void> end();

  [[nodiscard]] Outcome take();

 private:
  void put(std::string_view json);
  /// Counts the bytes of a value before it is kept; false: there are too many.
  bool fits(std::size_t bytes);

  const std::size_t max_rows_;
  Outcome outcome_;
  std::vector<std::string> keys_;  ///< as JSON with their colon; empty: overwritten by a later column
  std::size_t column_ = 0;
  bool first_ = true;
  std::size_t rows_ = 0;
  std::size_t bytes_ = 0;  ///< of all values as the database gave them
  bool too_large_ = false;
};

/// How blob `number` stands in the JSON.
[[nodiscard]] std::string placeholder(std::size_t number);

[[nodiscard]] Error too_large();

/// {affectedRows, insertId, changedRows}.
[[nodiscard]] Outcome without_rows(std::uint64_t affected, std::uint64_t insert_id, std::uint64_t changed);

/// "2024-01-02 03:04:05.5" as ISO 8601 has it, with a Z when `utc`; what is no such time stays as it is.
[[nodiscard]] std::string iso_time(std::string_view text, bool utc);

}  // namespace smaster::sql
