// Statements on the operator's database: SQLite, PostgreSQL, MariaDB or MySQL. Connections are SOCI's,
// pooled; statements go to the database's own library as they are, since SOCI would look for its placeholders
// in their text and knows fewer types than the databases have. Blocks; runs in a pool of threads.
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
};

/// The most bytes of one statement's result.
inline constexpr std::size_t kMaxResult = 64u << 20;

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

class Database {
 public:
  /// `url`: sqlite:FILE, postgresql://…, mysql://… or mariadb://…. bad_config when it is none of these.
  /// Connects when it is first used. `size`: how many threads may call `run` at once.
  [[nodiscard]] static Result<std::shared_ptr<Database>> make(const std::string& url, std::size_t size);
  virtual ~Database() = default;

  /// Runs one statement, a transaction of its own. unavailable when the database cannot be reached, timed_out
  /// after `limits.timeout`, not_permitted for Access::none, else bad_data with what the database says.
  [[nodiscard]] virtual Result<Outcome> run(const std::string& statement, Access access,
                                            const Limits& limits) = 0;
};

}  // namespace smaster::sql
