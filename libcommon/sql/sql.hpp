// SQL statements on the operator's database: SQLite, PostgreSQL, MariaDB or MySQL. Statements come from
// shards, so they run only in worker processes (worker.hpp), which the server starts and kills.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/types.hpp"

namespace smaster::sql {

/// What the database lets a statement do.
enum class Access { none, read, write };
[[nodiscard]] std::string_view to_string(Access access);

/// Beyond these a statement fails.
struct Limits {
  Millis timeout{30'000};
  std::size_t max_rows = 10'000;

  friend bool operator==(const Limits&, const Limits&) = default;
};

/// The most bytes of one statement's result.
inline constexpr std::size_t kMaxResult = 16u << 20;
/// The most bytes that a worker process may allocate.
inline constexpr std::size_t kWorkerMemory = 256u << 20;

/// A statement's result. Blobs stand in `json` as `{"_placeholder":true,"num":k}` (WIRE.md), k counting
/// `blobs`.
struct Outcome {
  std::vector<std::string> columns;  ///< none: a statement without rows
  std::string json;  ///< rows as [{column: value, …}, …], else {affectedRows, insertId, changedRows}
  std::vector<std::string> blobs;
  std::vector<std::size_t> places;  ///< where in `json` each of them stands

  /// The JSON with the blobs in it, as base64 texts.
  [[nodiscard]] std::string with_base64() const;
};

/// bad_config unless `url` is sqlite:FILE, postgresql://…, mysql://… or mariadb://….
[[nodiscard]] Result<void> check_url(const std::string& url);

/// What the server says when a statement took longer than its limit.
[[nodiscard]] Error timed_out(const Limits& limits);

}  // namespace smaster::sql
