// MariaDB and MySQL, with MariaDB's library on SOCI's connections. Read-only statements run in a READ ONLY
// transaction, and must start like a query: statements that could end the transaction (COMMIT, XA, SET,
// compound statements) are rejected beforehand.
#include <mysql.h>
#include <soci/mysql/soci-mysql.h>
#include <soci/soci.h>

#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>
#include <cstring>

#include "base/text.hpp"
#include "sql/engine.hpp"
#include "sql/reading.hpp"
#include "sql/rows.hpp"

namespace smaster::sql {
namespace {

constexpr const char* kConnectTimeout = "10";  ///< seconds
constexpr unsigned long kMaxPacket = 2 * kMaxResult;
constexpr unsigned kBinary = 63;  ///< the character set number of binary data

MYSQL* connection(soci::session& session) {
  return static_cast<soci::mysql_session_backend*>(session.get_backend())->conn_;
}

std::uint64_t bits(std::string_view bytes) {
  std::uint64_t value = 0;
  for (const char byte : bytes) value = value << 8 | static_cast<unsigned char>(byte);
  return value;
}

void put(Rows& rows, const MYSQL_FIELD& field, const char* data, unsigned long size) {
  if (data == nullptr) return rows.null();
  const std::string_view text(data, size);
  switch (field.type) {
    case MYSQL_TYPE_TINY:
    case MYSQL_TYPE_SHORT:
    case MYSQL_TYPE_INT24:
    case MYSQL_TYPE_LONG:
    case MYSQL_TYPE_LONGLONG:
    case MYSQL_TYPE_YEAR:
    case MYSQL_TYPE_FLOAT:
    case MYSQL_TYPE_DOUBLE:
      return rows.number(text);
    case MYSQL_TYPE_BIT:
      return rows.unsigned_integer(bits(text));
    case MYSQL_TYPE_DATETIME:
    case MYSQL_TYPE_DATETIME2:
      return rows.text(iso_time(text, false));
    case MYSQL_TYPE_TIMESTAMP:
    case MYSQL_TYPE_TIMESTAMP2:
      return rows.text(iso_time(text, !text.starts_with("0000")));
    case MYSQL_TYPE_TINY_BLOB:
    case MYSQL_TYPE_BLOB:
    case MYSQL_TYPE_MEDIUM_BLOB:
    case MYSQL_TYPE_LONG_BLOB:
    case MYSQL_TYPE_STRING:
    case MYSQL_TYPE_VAR_STRING:
    case MYSQL_TYPE_GEOMETRY:
      if (field.charsetnr == kBinary) return rows.blob(text);
      return rows.text(text);
    default:
      return rows.text(text);
  }
}

/// Runs one statement on a connection.
class Run {
 public:
  Run(MYSQL* connection, const Limits& limits) : connection_(connection), limits_(limits) {}

  Ran run(const std::string& statement, Access access) {
    const bool reads = access == Access::read;
    if (auto fit = reads ? check_reads(statement) : check_no_xa(statement); !fit) return {fit.error()};
    if (!command(settings()) || (reads && (!command("SET SESSION TRANSACTION READ ONLY") ||
                                           !command("START TRANSACTION READ ONLY")))) {
      return {failed(), true};
    }
    auto outcome = execute(statement);
    const bool in_transaction = (connection_->server_status & SERVER_STATUS_IN_TRANS) != 0;
    if (broken_) return {std::move(outcome), true};
    // An XA transaction is not rolled back by that, and spoils the connection for the next statement.
    const bool rolled_back = (!reads && !in_transaction) || command("ROLLBACK");
    if (!rolled_back) {
      broken_ = true;
      if (!reads) outcome = left_xa();
    } else if (!reads && in_transaction && outcome) {
      outcome = open_transaction();
    }
    // Undoes the settings of the statement.
    return {std::move(outcome), broken_ || mysql_reset_connection(connection_) != 0};
  }

 private:
  /// Settings of the session: UTC, and a timeout, which MySQL supports only for SELECT.
  [[nodiscard]] std::string settings() const {
    const bool mariadb = std::strstr(mysql_get_server_info(connection_), "MariaDB") != nullptr;
    const auto ms = limits_.timeout.count();
    return "SET time_zone='+00:00', " + (mariadb ? "max_statement_time=" + std::to_string(ms / 1000) + '.' +
                                                       std::to_string(ms % 1000 + 1000).substr(1)
                                                 : "max_execution_time=" + std::to_string(ms));
  }

  bool command(const std::string& text) {
    return mysql_real_query(connection_, text.data(), text.size()) == 0;
  }

  Error failed() {
    const auto number = mysql_errno(connection_);
    constexpr unsigned kTimedOut[] = {1969, 3024};  // ER_STATEMENT_TIMEOUT, ER_QUERY_TIMEOUT
    for (const auto timed : kTimedOut) {
      if (number == timed) return timed_out(limits_);
    }
    const auto text = "MariaDB: " + std::string(mysql_error(connection_));
    constexpr unsigned kXa[] = {1397, 1402};  // ER_XAER_NOTA to ER_XA_RBROLLBACK: its state is unknown
    if (number >= kXa[0] && number <= kXa[1]) broken_ = true;
    constexpr unsigned kKilled = 1927;                  // ER_CONNECTION_KILLED
    constexpr unsigned kClientErrors[] = {2000, 3000};  // from CR_MIN_ERROR
    if (number == kKilled || (number >= kClientErrors[0] && number < kClientErrors[1])) {
      broken_ = true;
      return fail(
          ErrorKind::unavailable,
          "the connection was lost while the statement ran; it may or may not have been done (" + text + ')');
    }
    return fail(ErrorKind::bad_data, text);
  }

  static Error left_xa() {
    return fail(
        ErrorKind::bad_data,
        "the statement left an XA transaction, so its connection was closed; if it was prepared, it keeps "
        "its locks until it is ended in the database (XA RECOVER)");
  }

  Result<Outcome> execute(const std::string& statement) {
    const auto until = std::chrono::steady_clock::now() + limits_.timeout;
    if (!command(statement)) return failed();
    auto outcome = first_result();
    // Some functions, such as BENCHMARK and SLEEP, end early without an error.
    if (outcome && std::chrono::steady_clock::now() >= until) outcome = timed_out(limits_);
    // A procedure may return several results; only the first one is used.
    while (!broken_ && mysql_more_results(connection_) != 0) {
      if (mysql_next_result(connection_) > 0) return outcome ? failed() : outcome.error();
      if (auto* const more = mysql_use_result(connection_)) mysql_free_result(more);
    }
    return outcome;
  }

  Result<Outcome> first_result() {
    if (mysql_field_count(connection_) == 0) return done();
    const std::unique_ptr<MYSQL_RES, void (*)(MYSQL_RES*)> result(mysql_use_result(connection_),
                                                                  mysql_free_result);
    if (!result) return failed();
    const auto count = mysql_num_fields(result.get());
    const auto* const fields = mysql_fetch_fields(result.get());
    std::vector<std::string> columns;
    for (unsigned i = 0; i < count; ++i) columns.emplace_back(fields[i].name);
    Rows rows(limits_, std::move(columns));
    while (MYSQL_ROW row = mysql_fetch_row(result.get())) {
      const auto* const sizes = mysql_fetch_lengths(result.get());
      rows.begin();
      for (unsigned i = 0; i < count; ++i) put(rows, fields[i], row[i], sizes[i]);
      if (auto more = rows.end(); !more) {
        stop();
        return more.error();
      }
    }
    if (mysql_errno(connection_) != 0) return failed();
    return rows.take();
  }

  /// Abandons a result: freeing it would first read the rest. Closing the socket makes the server end the
  /// connection.
  void stop() {
    broken_ = true;
    ::shutdown(mysql_get_socket(connection_), SHUT_RDWR);
  }

  Outcome done() {
    constexpr std::string_view kChanged = "Changed: ";
    const char* const info = mysql_info(connection_);
    const std::string_view text = info == nullptr ? "" : info;
    const auto at = text.find(kChanged);
    std::uint64_t changed = 0;
    if (at != std::string_view::npos) {
      const auto digits = text.substr(at + kChanged.size());
      changed = parse_int<std::uint64_t>(digits.substr(0, digits.find(' '))).value_or(0);
    }
    return without_rows(mysql_affected_rows(connection_), mysql_insert_id(connection_), changed);
  }

  MYSQL* connection_;
  const Limits& limits_;
  bool broken_ = false;
};

class MysqlEngine final : public Engine {
 public:
  explicit MysqlEngine(std::string connect) : connect_(std::move(connect)) {}

  void open(soci::session& session, Access, const Limits&) const override {
    session.open(soci::mysql, connect_);
    auto* const conn = connection(session);
    mysql_set_server_option(conn, MYSQL_OPTION_MULTI_STATEMENTS_OFF);
    const auto packet = kMaxPacket;
    mysql_options(conn, MYSQL_OPT_MAX_ALLOWED_PACKET, &packet);
    // LOAD DATA LOCAL would read files of this machine: refuse it.
    mysql_set_local_infile_handler(
        conn, [](void**, const char*, void*) { return 1; }, [](void*, char*, unsigned) { return -1; },
        [](void*) {},
        [](void*, char* text, unsigned size) -> int {
          std::strncpy(text, "LOAD DATA LOCAL is not possible here", size);
          return 1148;  // ER_NOT_ALLOWED_COMMAND
        },
        nullptr);
  }

  Result<std::string> connection_id(soci::session& session) const override {
    return std::to_string(mysql_thread_id(connection(session)));
  }

  void end(soci::session& session, const std::string& id) const override {
    const auto text = "KILL CONNECTION " + id;
    mysql_real_query(connection(session), text.data(), text.size());
  }

  bool alive(soci::session& session) const override { return mysql_ping(connection(session)) == 0; }

  Ran run(soci::session& session, const std::string& statement, Access access,
          const Limits& limits) const override {
    return Run(connection(session), limits).run(statement, access);
  }

 private:
  std::string connect_;
};

/// `key='value' ` for SOCI's connection string, which has no escapes but two kinds of quotes.
Result<std::string> part(std::string_view key, std::string_view value) {
  const char quote = value.find('\'') == std::string_view::npos ? '\'' : '"';
  if (value.find(quote) != std::string_view::npos) {
    return fail(ErrorKind::bad_config, "has both kinds of quotes in its " + std::string(key));
  }
  return std::string(key) + '=' + quote + std::string(value) + quote + ' ';
}

}  // namespace

Result<std::unique_ptr<Engine>> mysql_engine(const std::string& url) {
  const auto parsed = boost::urls::parse_uri(url);
  if (!parsed) return fail(ErrorKind::bad_config, "is no address: mysql://USER:PASSWORD@HOST/DATABASE");
  std::vector<std::pair<std::string, std::string>> parts;
  const auto path = std::string(parsed->path());
  if (path.size() > 1) parts.emplace_back("db", path.substr(1));
  if (parsed->has_userinfo()) parts.emplace_back("user", std::string(parsed->user()));
  if (parsed->has_password()) parts.emplace_back("password", std::string(parsed->password()));
  if (!parsed->host().empty()) parts.emplace_back("host", std::string(parsed->host()));
  if (parsed->has_port()) parts.emplace_back("port", std::string(parsed->port()));
  for (const auto& option : parsed->params()) {
    const auto key = std::string(option.key);
    if (key == "unix_socket") {
      parts.emplace_back("unix_socket", std::string(option.value));
    } else if (key == "ssl_ca") {
      parts.emplace_back("sslca", std::string(option.value));
    } else {
      return fail(ErrorKind::bad_config, "has the option \"" + key + "\"; there are unix_socket and ssl_ca");
    }
  }
  parts.emplace_back("charset", "utf8mb4");
  parts.emplace_back("connect_timeout", kConnectTimeout);
  std::string connect;
  for (const auto& [key, value] : parts) {
    auto text = part(key, value);
    if (!text) return text.error();
    connect += *text;
  }
  return std::unique_ptr<Engine>(std::make_unique<MysqlEngine>(std::move(connect)));
}

}  // namespace smaster::sql
