// SQL statements on the operator's database: SQLite, PostgreSQL, MariaDB or MySQL. Statements come from
// shards, so they run in worker processes only (worker.hpp), which the server starts and kills.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/types.hpp"

namespace smaster::sql {

/// The access that the database grants to a statement.
enum class Access { none, read, write };
[[nodiscard]] std::string_view to_string(Access access);

/// A statement that exceeds one of these fails.
struct Limits {
  Millis timeout{30'000};
  std::size_t max_rows = 10'000;

  friend bool operator==(const Limits&, const Limits&) = default;
};

/// Maximum size of one statement's result, in bytes.
inline constexpr std::size_t kMaxResult = 16u << 20;
/// Maximum memory of a worker process, in bytes.
inline constexpr std::size_t kWorkerMemory = 256u << 20;

/// A statement's result. In `json` a blob is represented by `{"_placeholder":true,"num":k}` (WIRE.md), where
/// k is its index in `blobs`.
struct Outcome {
  std::vector<std::string> columns;  ///< empty for a statement without rows
  std::string json;  ///< rows as [{column: value, …}, …]; without rows {affectedRows, insertId, changedRows}
  std::vector<std::string> blobs;
  std::vector<std::size_t> places;  ///< offset of each blob's placeholder in `json`

  /// The JSON with blobs inserted as base64 strings.
  [[nodiscard]] std::string with_base64() const;
};

/// Errors: bad_config unless `url` is sqlite:FILE, postgresql://…, mysql://… or mariadb://….
[[nodiscard]] Result<void> check_url(const std::string& url);

/// The error for a statement that exceeded its timeout.
[[nodiscard]] Error timed_out(const Limits& limits);

}  // namespace smaster::sql
