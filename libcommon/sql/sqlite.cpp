// SQLite: the database in a file of the server's, for those who have no other.
#include <fcntl.h>
#include <soci/soci.h>
#include <soci/sqlite3/soci-sqlite3.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstring>

#include "base/text.hpp"
#include "sql/engine.hpp"
#include "sql/rows.hpp"

namespace smaster::sql {
namespace {

using namespace sqlite_api;  // what SOCI's header puts sqlite3.h into

/// Pragmas that only tell, or set what lies in the file and is the operator's own affair.
constexpr std::array<std::string_view, 14> kPragmas{
    "table_info",  "table_xinfo",      "table_list",        "index_list",      "index_info",
    "index_xinfo", "foreign_key_list", "foreign_key_check", "integrity_check", "quick_check",
    "optimize",    "user_version",     "application_id",    "function_list"};

/// Statements must not reach other files, nor change how all others' connections behave.
int authorize(void*, int action, const char* first, const char* second, const char*, const char*) {
  if (action == SQLITE_ATTACH) {
    // VACUUM attaches a nameless temporary file.
    return first != nullptr && *first == '\0' ? SQLITE_OK : SQLITE_DENY;
  }
  if (action == SQLITE_PRAGMA && second != nullptr) {
    for (const auto pragma : kPragmas) {
      if (pragma == first) return SQLITE_OK;
    }
    return SQLITE_DENY;
  }
  return SQLITE_OK;
}

/// Stops what runs too long.
struct Deadline {
  std::chrono::steady_clock::time_point at;
  bool passed = false;

  static int look(void* deadline) {
    auto& self = *static_cast<Deadline*>(deadline);
    self.passed = std::chrono::steady_clock::now() >= self.at;
    return self.passed ? 1 : 0;
  }
};

sqlite3* connection(soci::session& session) {
  return static_cast<soci::sqlite3_session_backend*>(session.get_backend())->conn_;
}

/// A prepared statement, finalized with its owner.
struct Statement {
  sqlite3_stmt* handle = nullptr;
  ~Statement() { sqlite3_finalize(handle); }
};

void put(Rows& rows, sqlite3_stmt* statement, int column) {
  const auto bytes = [&](const void* data) {
    const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement, column));
    return data == nullptr ? std::string_view() : std::string_view(static_cast<const char*>(data), size);
  };
  switch (sqlite3_column_type(statement, column)) {
    case SQLITE_INTEGER:
      return rows.integer(sqlite3_column_int64(statement, column));
    case SQLITE_FLOAT:
      return rows.real(sqlite3_column_double(statement, column));
    case SQLITE_TEXT:
      return rows.text(bytes(sqlite3_column_text(statement, column)));
    case SQLITE_BLOB:
      return rows.blob(bytes(sqlite3_column_blob(statement, column)));
    default:
      return rows.null();
  }
}

class SqliteEngine final : public Engine {
 public:
  explicit SqliteEngine(std::filesystem::path file) : file_(std::move(file)) {}

  void open(soci::session& session, Access access) const override {
    // Made here, so that nobody else can read it, and so that it is there to be only read.
    const int made = ::open(file_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (made < 0) throw soci::soci_error("cannot open " + file_.string() + ": " + std::strerror(errno));
    ::close(made);
    const auto quoted = "dbname=\"" + file_.string() + "\" timeout=5";
    session.open(soci::sqlite3, access == Access::read ? quoted + " readonly=true" : quoted);
    auto* const db = connection(session);
    if (access == Access::write) sqlite3_exec(db, "PRAGMA journal_mode=WAL", nullptr, nullptr, nullptr);
    sqlite3_exec(db, "PRAGMA foreign_keys=ON", nullptr, nullptr, nullptr);
    sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
    sqlite3_set_authorizer(db, authorize, nullptr);
  }

  bool alive(soci::session&) const override { return true; }

  Ran run(soci::session& session, const std::string& text, Access, const Limits& limits) const override {
    auto* const db = connection(session);
    Deadline deadline{std::chrono::steady_clock::now() + limits.timeout};
    constexpr int kInstructions = 10'000;
    sqlite3_progress_handler(db, kInstructions, Deadline::look, &deadline);
    auto outcome = execute(db, text, limits);
    if (!outcome && deadline.passed) outcome = timed_out(limits);
    sqlite3_progress_handler(db, 0, nullptr, nullptr);
    if (sqlite3_get_autocommit(db) == 0) {
      sqlite3_exec(db, "ROLLBACK", nullptr, nullptr, nullptr);
      if (outcome) outcome = open_transaction();
    }
    return {std::move(outcome)};
  }

 private:
  static Error failed(sqlite3* db) {
    return fail(ErrorKind::bad_data, std::string("SQLite: ") + sqlite3_errmsg(db));
  }

  static Result<Outcome> execute(sqlite3* db, const std::string& text, const Limits& limits) {
    Statement statement;
    const char* rest = nullptr;
    if (sqlite3_prepare_v2(db, text.c_str(), static_cast<int>(text.size()) + 1, &statement.handle, &rest) !=
        SQLITE_OK) {
      return failed(db);
    }
    if (statement.handle == nullptr) return fail(ErrorKind::bad_data, "there is no statement in this text");
    Statement second;
    if (sqlite3_prepare_v2(db, rest, -1, &second.handle, nullptr) != SQLITE_OK || second.handle != nullptr) {
      return fail(ErrorKind::bad_data, "there is more than one statement; send one at a time");
    }
    const int count = sqlite3_column_count(statement.handle);
    std::vector<std::string> columns;
    for (int i = 0; i < count; ++i) columns.emplace_back(sqlite3_column_name(statement.handle, i));
    Rows rows(limits, std::move(columns));
    const auto changes = sqlite3_total_changes(db);
    const auto insert_id = sqlite3_last_insert_rowid(db);
    int step = SQLITE_ROW;
    while ((step = sqlite3_step(statement.handle)) == SQLITE_ROW) {
      rows.begin();
      for (int i = 0; i < count; ++i) put(rows, statement.handle, i);
      if (auto more = rows.end(); !more) return more.error();
    }
    if (step != SQLITE_DONE) return failed(db);
    if (count > 0) return rows.take();
    return changed(db, statement.handle, changes, insert_id);
  }

  static Outcome changed(sqlite3* db, sqlite3_stmt* statement, int changes_before, sqlite3_int64 id_before) {
    if (sqlite3_total_changes(db) == changes_before) return without_rows(0, 0, 0);
    const auto affected = static_cast<std::uint64_t>(sqlite3_changes(db));
    const auto id = sqlite3_last_insert_rowid(db);
    const auto begin = trim(sqlite3_sql(statement));
    constexpr std::string_view kUpdate = "update";
    const bool updates =
        begin.size() > kUpdate.size() && sqlite3_strnicmp(begin.data(), kUpdate.data(), 6) == 0;
    return without_rows(affected, id == id_before ? 0 : static_cast<std::uint64_t>(id),
                        updates ? affected : 0);
  }

  std::filesystem::path file_;
};

}  // namespace

std::unique_ptr<Engine> sqlite_engine(const std::filesystem::path& file) {
  return std::make_unique<SqliteEngine>(file);
}

}  // namespace smaster::sql
