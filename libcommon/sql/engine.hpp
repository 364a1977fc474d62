// What each kind of database has to do for Database, on a session of SOCI's that one thread has at a time.
#pragma once

#include <memory>
#include <string>

#include "sql/sql.hpp"

namespace soci {
class session;
}

namespace smaster::sql {

/// A statement's end: its outcome, or its error and whether the connection can go on.
struct Ran {
  Result<Outcome> outcome;
  bool broken = false;  ///< the connection is of no more use
};

class Engine {
 public:
  virtual ~Engine() = default;
  /// Connects the session. Throws soci::soci_error.
  virtual void open(soci::session& session, Access access) const = 0;
  /// Whether the connection still stands, as far as can be told before it is used.
  [[nodiscard]] virtual bool alive(soci::session& session) const = 0;
  /// Runs one statement and leaves the session as it was before: no transaction, no settings of the
  /// statement's.
  [[nodiscard]] virtual Ran run(soci::session& session, const std::string& statement, Access access,
                                const Limits& limits) const = 0;
};

/// `file`: the database's file, made if it does not exist.
[[nodiscard]] std::unique_ptr<Engine> sqlite_engine(const std::filesystem::path& file);
/// `url`: as libpq takes it. bad_config when it does not.
[[nodiscard]] Result<std::unique_ptr<Engine>> postgresql_engine(const std::string& url);
/// `url`: mysql://user:password@host:port/database, ?unix_socket=, ?ssl_ca=.
[[nodiscard]] Result<std::unique_ptr<Engine>> mysql_engine(const std::string& url);

[[nodiscard]] Error timed_out(const Limits& limits);
[[nodiscard]] Error open_transaction();

}  // namespace smaster::sql
