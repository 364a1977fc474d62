// PostgreSQL, with libpq on SOCI's connections. Read-only statements must start like a query, and run in a
// READ ONLY transaction. A statement cannot leave it: the extended protocol allows only one statement at a
// time.
#include <libpq-fe.h>
#include <poll.h>
#include <soci/postgresql/soci-postgresql.h>
#include <soci/soci.h>

#include <memory>

#include "base/text.hpp"
#include "sql/engine.hpp"
#include "sql/reading.hpp"
#include "sql/rows.hpp"

namespace smaster::sql {
namespace {

using PgResult = std::unique_ptr<PGresult, decltype(&PQclear)>;

/// Types from PostgreSQL's catalogue (pg_type.dat) that are not converted to JSON strings.
enum Oid_ : Oid {
  kBool = 16,
  kBytea = 17,
  kInt8 = 20,
  kInt2 = 21,
  kInt4 = 23,
  kOid = 26,
  kJson = 114,
  kFloat4 = 700,
  kFloat8 = 701,
  kTimestamp = 1114,
  kTimestampTz = 1184,
  kJsonb = 3802,
};

/// Options of every session; DISCARD ALL returns to them.
constexpr const char* kOptions =
    "-c TimeZone=UTC -c DateStyle=ISO -c bytea_output=hex -c extra_float_digits=1";
constexpr const char* kConnectTimeout = "10";  ///< seconds

PGconn* connection(soci::session& session) {
  return static_cast<soci::postgresql_session_backend*>(session.get_backend())->conn_;
}

std::string message(const char* text) { return "PostgreSQL: " + std::string(trim(text)); }

void put(Rows& rows, const PGresult* result, int column) {
  if (PQgetisnull(result, 0, column) != 0) return rows.null();
  const std::string_view text(PQgetvalue(result, 0, column),
                              static_cast<std::size_t>(PQgetlength(result, 0, column)));
  switch (PQftype(result, column)) {
    case kBool:
      return rows.boolean(text == "t");
    case kInt2:
    case kInt4:
    case kInt8:
    case kOid:
    case kFloat4:
    case kFloat8:
      return rows.number(text);
    case kBytea: {
      std::size_t size = 0;
      const std::unique_ptr<unsigned char, decltype(&PQfreemem)> bytes(
          PQunescapeBytea(reinterpret_cast<const unsigned char*>(text.data()), &size), PQfreemem);
      return rows.blob({reinterpret_cast<const char*>(bytes.get()), size});
    }
    case kJson:
    case kJsonb:
      return rows.json(text);
    case kTimestamp:
      return rows.text(iso_time(text, false));
    case kTimestampTz:
      return rows.text(iso_time(text, true));
    default:
      return rows.text(text);
  }
}

/// Runs one statement on a connection.
class Run {
 public:
  Run(PGconn* connection, const Limits& limits) : connection_(connection), limits_(limits) {}

  Ran run(const std::string& statement, Access access) {
    if (access == Access::read) {
      if (auto query = check_reads(statement); !query) return {query.error()};
      if (auto begun = command("BEGIN READ ONLY"); !begun) return {begun.error(), true};
    }
    auto outcome = execute(statement);
    const auto status = PQtransactionStatus(connection_);
    if (access != Access::read && outcome && (status == PQTRANS_INTRANS || status == PQTRANS_INERROR)) {
      outcome = open_transaction();
    }
    return {std::move(outcome), broken_ || !clean_up()};
  }

 private:
  /// Resets the session.
  bool clean_up() {
    if (PQtransactionStatus(connection_) != PQTRANS_IDLE && !command("ROLLBACK")) return false;
    return command("DISCARD ALL").has_value();
  }

  Result<void> command(const char* text) {
    const auto outcome = execute(text);
    return outcome ? Result<void>() : Result<void>(outcome.error());
  }

  Result<Outcome> execute(const std::string& statement) {
    if (PQsendQueryParams(connection_, statement.c_str(), 0, nullptr, nullptr, nullptr, nullptr, 0) == 0) {
      return lost();
    }
    PQsetSingleRowMode(connection_);
    Result<Outcome> outcome = fail(ErrorKind::bad_data, "there is no statement in this text");
    std::optional<Rows> rows;
    while (true) {
      const PgResult result(PQgetResult(connection_), PQclear);
      if (!result) return outcome;
      take(result.get(), rows, outcome);
      if (broken_) return outcome;
    }
  }

  void take(const PGresult* result, std::optional<Rows>& rows, Result<Outcome>& outcome) {
    switch (PQresultStatus(result)) {
      case PGRES_SINGLE_TUPLE:
      case PGRES_TUPLES_OK:
        take_rows(result, rows, outcome);
        return;
      case PGRES_COMMAND_OK:
        outcome = done(result);
        return;
      case PGRES_EMPTY_QUERY:
        return;
      case PGRES_COPY_IN:
      case PGRES_COPY_OUT:
      case PGRES_COPY_BOTH:
        broken_ = true;
        outcome = fail(ErrorKind::bad_data, "COPY from or to the client is not possible here");
        return;
      default:
        if (PQstatus(connection_) != CONNECTION_OK) {
          outcome = lost();
        } else {
          outcome = failed(result);
        }
    }
  }

  void take_rows(const PGresult* result, std::optional<Rows>& rows, Result<Outcome>& outcome) {
    if (!rows) {
      std::vector<std::string> columns;
      for (int i = 0; i < PQnfields(result); ++i) columns.emplace_back(PQfname(result, i));
      rows.emplace(limits_, std::move(columns));
    }
    if (PQresultStatus(result) == PGRES_TUPLES_OK) {  // end of the rows in single-row mode
      outcome = rows->take();
      return;
    }
    rows->begin();
    for (int i = 0; i < PQnfields(result); ++i) put(*rows, result, i);
    if (auto more = rows->end(); !more) {
      outcome = more.error();
      broken_ = true;  // the statement may run on; closing the connection ends it
    }
  }

  static Outcome done(const PGresult* result) {
    const std::string_view tag = PQcmdStatus(const_cast<PGresult*>(result));
    const auto affected = parse_int<std::uint64_t>(PQcmdTuples(const_cast<PGresult*>(result))).value_or(0);
    return without_rows(affected, 0, tag.starts_with("UPDATE") ? affected : 0);
  }

  [[nodiscard]] Error failed(const PGresult* result) const {
    constexpr std::string_view kCanceled = "57014";  // SQLSTATE query_canceled
    const char* const state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    if (state != nullptr && state == kCanceled) return timed_out(limits_);
    return fail(ErrorKind::bad_data, message(PQresultErrorMessage(result)));
  }

  Error lost() {
    broken_ = true;
    return fail(ErrorKind::unavailable,
                "the connection was lost while the statement ran; it may or may not have been done (" +
                    message(PQerrorMessage(connection_)) + ')');
  }

  PGconn* connection_;
  const Limits& limits_;
  bool broken_ = false;
};

/// Quotes a value for libpq's connection string.
std::string as_value(std::string_view value) {
  std::string text = "'";
  for (const char c : value) {
    if (c == '\'' || c == '\\') text += '\\';
    text += c;
  }
  return text + '\'';
}

class PostgresqlEngine final : public Engine {
 public:
  PostgresqlEngine(std::string connect, std::string options)
      : connect_(std::move(connect)), options_(std::move(options)) {}

  void open(soci::session& session, Access, const Limits& limits) const override {
    const auto options = options_ + " -c statement_timeout=" + std::to_string(limits.timeout.count());
    session.open(soci::postgresql, connect_ + "options=" + as_value(options));
  }

  /// Process ids are reused; together with the start time they identify a connection.
  Result<std::string> connection_id(soci::session& session) const override {
    const PgResult id(
        PQexec(connection(session),
               "SELECT pid || ' ' || backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()"),
        PQclear);
    if (PQntuples(id.get()) != 1)
      return fail(ErrorKind::unavailable, message(PQerrorMessage(connection(session))));
    return std::string(PQgetvalue(id.get(), 0, 0));
  }

  void end(soci::session& session, const std::string& id) const override {
    const char* const values[] = {id.c_str()};
    const PgResult ended(PQexecParams(connection(session),
                                      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                                      "WHERE pid || ' ' || backend_start = $1",
                                      1, nullptr, values, nullptr, nullptr, 0),
                         PQclear);
  }

  /// Checks the socket for an end or a farewell of the server, without a round trip.
  bool alive(soci::session& session) const override {
    auto* const conn = connection(session);
    for (int i = 0; i < 4 && PQstatus(conn) == CONNECTION_OK; ++i) {
      pollfd socket{PQsocket(conn), POLLIN, 0};
      if (::poll(&socket, 1, 0) <= 0) return true;
      if (PQconsumeInput(conn) == 0) return false;
    }
    return PQstatus(conn) == CONNECTION_OK;
  }

  Ran run(soci::session& session, const std::string& statement, Access access,
          const Limits& limits) const override {
    return Run(connection(session), limits).run(statement, access);
  }

 private:
  std::string connect_;
  std::string options_;
};

}  // namespace

Result<std::unique_ptr<Engine>> postgresql_engine(const std::string& url) {
  char* error = nullptr;
  const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> parsed(
      PQconninfoParse(url.c_str(), &error), PQconninfoFree);
  const std::unique_ptr<char, decltype(&PQfreemem)> text(error, PQfreemem);
  if (!parsed) {
    // libpq's own message would contain the password.
    return fail(ErrorKind::bad_config, "is no address that PostgreSQL's library takes");
  }
  std::string connect;
  std::string options = kOptions;
  std::string timeout = kConnectTimeout;
  for (const auto* option = parsed.get(); option->keyword != nullptr; ++option) {
    if (option->val == nullptr) continue;
    const std::string_view keyword = option->keyword;
    if (keyword == "options") {
      options = std::string(option->val) + ' ' + options;
    } else if (keyword == "connect_timeout") {
      timeout = option->val;
    } else if (keyword != "client_encoding") {
      connect += std::string(keyword) + '=' + as_value(option->val) + ' ';
    }
  }
  connect += "client_encoding=UTF8 connect_timeout=" + as_value(timeout) + ' ';
  return std::unique_ptr<Engine>(std::make_unique<PostgresqlEngine>(std::move(connect), std::move(options)));
}

}  // namespace smaster::sql
