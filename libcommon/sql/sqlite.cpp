// SQLite: a database in a file on the server, for bots without another one.
#include <fcntl.h>
#include <soci/soci.h>
#include <soci/sqlite3/soci-sqlite3.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <thread>

#include "base/text.hpp"
#include "sql/engine.hpp"
#include "sql/rows.hpp"

namespace smaster::sql {
namespace {

using namespace sqlite_api;  // SOCI's header includes sqlite3.h in this namespace

/// Pragmas that only read, with or without an argument.
constexpr std::array<std::string_view, 11> kPragmas{
    "table_info",       "table_xinfo",       "table_list",      "index_list",  "index_info",   "index_xinfo",
    "foreign_key_list", "foreign_key_check", "integrity_check", "quick_check", "function_list"};
/// With an argument, these write to the file.
constexpr std::array<std::string_view, 2> kWritingPragmas{"user_version", "application_id"};
/// These write with and without an argument.
constexpr std::array<std::string_view, 2> kUpkeep{"incremental_vacuum", "optimize"};
/// Allowed without an argument only: with one they change settings of the connection.
constexpr std::array<std::string_view, 14> kSettings{
    "journal_mode",    "page_count",    "page_size",      "freelist_count",    "max_page_count",
    "foreign_keys",    "encoding",      "schema_version", "data_version",      "auto_vacuum",
    "compile_options", "database_list", "collation_list", "journal_size_limit"};
/// Functions that affect the process rather than the database.
constexpr std::array<std::string_view, 2> kNoFunctions{"load_extension", "fts3_tokenizer"};

template <std::size_t N>
bool contains(const std::array<std::string_view, N>& names, const char* name) {
  return name != nullptr && std::any_of(names.begin(), names.end(), [name](std::string_view known) {
           return sqlite3_stricmp(known.data(), name) == 0;
         });
}

/// What one statement may do: access the database file only, and leave no state in the connection, since the
/// next statement may come from another shard.
struct Permit {
  bool writes = false;
  bool vacuum = false;  ///< VACUUM, which attaches a temporary database without a name
  bool upkeep = false;  ///< set if it was asked for one of kUpkeep, which SQLite does not count as writing
  bool looks = false;   ///< set if it was asked for a setting, which SQLite may count as writing

  static int authorize(void* permit, int action, const char* first, const char* second, const char* database,
                       const char*) {
    auto& self = *static_cast<Permit*>(permit);
    self.upkeep = self.upkeep || (action == SQLITE_PRAGMA && contains(kUpkeep, first));
    self.looks = self.looks || (action == SQLITE_PRAGMA && contains(kSettings, first) && second == nullptr);
    return self.allows(action, first, second, database) ? SQLITE_OK : SQLITE_DENY;
  }

  [[nodiscard]] bool allows(int action, const char* first, const char* second, const char* database) const {
    switch (action) {
      case SQLITE_SELECT:
      case SQLITE_READ:
      case SQLITE_RECURSIVE:
        return true;
      case SQLITE_FUNCTION:
        return !contains(kNoFunctions, second);
      case SQLITE_PRAGMA:
        return contains(kPragmas, first) ||
               (contains(kWritingPragmas, first) && (writes || second == nullptr)) ||
               (contains(kUpkeep, first) && writes) || (contains(kSettings, first) && second == nullptr);
      case SQLITE_ATTACH:
        return vacuum && first != nullptr && *first == '\0';
      case SQLITE_DETACH:
        return vacuum;
      case SQLITE_CREATE_TEMP_INDEX:
      case SQLITE_CREATE_TEMP_TABLE:
      case SQLITE_CREATE_TEMP_TRIGGER:
      case SQLITE_CREATE_TEMP_VIEW:
        return false;
      case SQLITE_CREATE_TABLE:
      case SQLITE_CREATE_VTABLE:
      case SQLITE_CREATE_VIEW:
      case SQLITE_INSERT:  // the statement may be in a trigger, whose database differs from the action's
        return writes && (database == nullptr || std::strcmp(database, "temp") != 0);
      case SQLITE_UPDATE:  // of the schema: reading a virtual table requests this
        return writes || (first != nullptr && std::strcmp(first, "sqlite_master") == 0);
      default:
        return writes;
    }
  }
};

constexpr std::chrono::seconds kBusy{5};  ///< timeout for locks of other connections

/// Stops a statement after its time limit.
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

/// A prepared statement; the destructor finalizes it.
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

  void open(soci::session& session, Access access, const Limits&) const override {
    // Create the file here: SQLite would make it readable by others, and does not create it for reading.
    const int made = ::open(file_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (made < 0 && access == Access::write)
      throw soci::soci_error("cannot open " + file_.string() + ": " + std::strerror(errno));
    if (made >= 0) ::close(made);
    sqlite3_hard_heap_limit64(kMaxHeap);
    const auto quoted = "dbname=\"" + file_.string() + "\" timeout=" + std::to_string(kBusy.count());
    if (access == Access::read) {
      if (made >= 0) {
        soci::session writer(soci::sqlite3, quoted);
        use_wal(writer);
      }
      session.open(soci::sqlite3, quoted + " readonly=true");
    } else {
      session.open(soci::sqlite3, quoted);
    }
    use_wal(session);
    limit(connection(session));
  }

  bool remote() const override { return false; }

  Ran run(soci::session& session, const std::string& text, Access access,
          const Limits& limits) const override {
    auto* const db = connection(session);
    Deadline deadline{std::chrono::steady_clock::now() + limits.timeout};
    constexpr int kInstructions = 10'000;
    sqlite3_progress_handler(db, kInstructions, Deadline::look, &deadline);
    constexpr std::string_view kVacuum = "vacuum";
    const auto begin = trim(text);
    const bool vacuum =
        begin.size() >= kVacuum.size() && sqlite3_strnicmp(begin.data(), kVacuum.data(), kVacuum.size()) == 0;
    Permit permit{true, vacuum};
    sqlite3_set_authorizer(db, Permit::authorize, &permit);
    sqlite3_limit(db, SQLITE_LIMIT_ATTACHED, access == Access::write && vacuum ? 1 : 0);
    bool writes = false;
    auto outcome = execute(db, text, limits, [&](sqlite3_stmt* statement) {
      if (access == Access::write) return true;
      // Only preparing may ask for writes: virtual tables do so when they are loaded, also for a SELECT. The
      // connection itself is read-only, too.
      permit.writes = false;
      writes = permit.upkeep || (sqlite3_stmt_readonly(statement) == 0 && !permit.looks);
      return !writes;
    });
    // SQLite does not count changes of virtual tables as writing before they fail.
    const bool refused = !outcome && (sqlite3_errcode(db) & 0xff) == SQLITE_READONLY;
    writes = writes || (access == Access::read && refused);
    if (!outcome && deadline.passed) outcome = timed_out(limits);
    sqlite3_progress_handler(db, 0, nullptr, nullptr);
    permit = {true, true};
    bool broken = false;
    if (sqlite3_get_autocommit(db) == 0) {
      broken = sqlite3_exec(db, "ROLLBACK", nullptr, nullptr, nullptr) != SQLITE_OK;
      if (outcome) outcome = open_transaction();
    }
    sqlite3_set_authorizer(db, nullptr, nullptr);
    return {std::move(outcome), broken, writes};
  }

 private:
  static constexpr sqlite3_int64 kMaxHeap = kWorkerMemory / 2;  ///< results use the other half
  static constexpr int kMaxSql = 1'000'000;                     ///< maximum size of a statement, in bytes
  static constexpr int kMaxColumns = 1'000;

  /// Switches to a persistent write-ahead log. From then on all files of the database are open, and no
  /// statement needs another one.
  void use_wal(soci::session& session) const {
    auto* const db = connection(session);
    int on = 1;
    sqlite3_file_control(db, "main", SQLITE_FCNTL_PERSIST_WAL, &on);
    const auto give_up = std::chrono::steady_clock::now() + kBusy;
    while (!in_wal(db)) {
      // Another process may be switching, too; SQLite's busy timeout does not cover that.
      if (sqlite3_errcode(db) != SQLITE_BUSY || std::chrono::steady_clock::now() > give_up) {
        throw soci::soci_error(
            file_.string() + " cannot have SQLite's write-ahead log, which is needed here (" +
            sqlite3_errmsg(db) + "): it must lie in a writable folder of a local file system");
      }
      std::this_thread::sleep_for(Millis{20});
    }
  }

  static bool in_wal(sqlite3* db) {
    // Querying the schema opens the log.
    return first_text(db, "PRAGMA journal_mode=WAL") == "wal" && read_schema(db);
  }

  /// Reads the tables' definitions again if they have changed.
  static bool read_schema(sqlite3* db) {
    return !first_text(db, "SELECT count(*) FROM sqlite_schema").empty();
  }

  /// The first column of a statement's first row; empty on errors.
  static std::string first_text(sqlite3* db, const char* text) {
    Statement statement;
    if (sqlite3_prepare_v2(db, text, -1, &statement.handle, nullptr) != SQLITE_OK ||
        sqlite3_step(statement.handle) != SQLITE_ROW) {
      return {};
    }
    std::string value(reinterpret_cast<const char*>(sqlite3_column_text(statement.handle, 0)));
    return sqlite3_step(statement.handle) == SQLITE_DONE ? value : std::string();
  }

  static void limit(sqlite3* db) {
    for (const auto* const setting :
         {"PRAGMA foreign_keys=ON", "PRAGMA temp_store=MEMORY", "PRAGMA journal_size_limit=67108864"}) {
      sqlite3_exec(db, setting, nullptr, nullptr, nullptr);
    }
    for (const auto& [option, value] : {std::pair{SQLITE_DBCONFIG_DEFENSIVE, 1},
                                        {SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0},
                                        {SQLITE_DBCONFIG_ENABLE_FTS3_TOKENIZER, 0},
                                        {SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0},
                                        {SQLITE_DBCONFIG_WRITABLE_SCHEMA, 0}}) {
      sqlite3_db_config(db, option, value, nullptr);
    }
    for (const auto& [what, most] : {std::pair{SQLITE_LIMIT_LENGTH, static_cast<int>(kMaxResult)},
                                     {SQLITE_LIMIT_SQL_LENGTH, kMaxSql},
                                     {SQLITE_LIMIT_COLUMN, kMaxColumns},
                                     {SQLITE_LIMIT_ATTACHED, 0},
                                     {SQLITE_LIMIT_WORKER_THREADS, 0}}) {
      sqlite3_limit(db, what, most);
    }
  }

  static Error failed(sqlite3* db) {
    return fail(ErrorKind::bad_data, std::string("SQLite: ") + sqlite3_errmsg(db));
  }

  /// `may_run`: is asked when the statement is prepared.
  template <class MayRun>
  static Result<Outcome> execute(sqlite3* db, const std::string& text, const Limits& limits, MayRun may_run) {
    Statement statement;
    const char* rest = nullptr;
    const auto prepare = [&] {
      return sqlite3_prepare_v2(db, text.c_str(), static_cast<int>(text.size()) + 1, &statement.handle,
                                &rest);
    };
    // The error may be one of tables as they were before another connection changed them.
    if (prepare() != SQLITE_OK && (read_schema(db), prepare()) != SQLITE_OK) return failed(db);
    if (statement.handle == nullptr) return fail(ErrorKind::bad_data, "there is no statement in this text");
    Statement second;
    if (sqlite3_prepare_v2(db, rest, -1, &second.handle, nullptr) != SQLITE_OK || second.handle != nullptr) {
      return fail(ErrorKind::bad_data, "there is more than one statement; send one at a time");
    }
    if (!may_run(statement.handle)) return fail(ErrorKind::not_permitted, "the statement writes");
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
      if (sqlite3_errcode(db) == SQLITE_NOMEM) return failed(db);  // out of memory while converting a value
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
