// What each kind of database has to do for a worker process, on its one connection.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
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
  /// Connects the session, with all that `run` needs opened: once statements run, the process can open no
  /// file and no socket. Throws soci::soci_error.
  virtual void open(soci::session& session, Access access, const Limits& limits) const = 0;
  /// Whether `run` needs a socket to the database.
  [[nodiscard]] virtual bool remote() const { return true; }
  /// The database's own name for this connection, for `end`; empty: statements end with their process.
  [[nodiscard]] virtual Result<std::string> connection_id(soci::session&) const { return std::string(); }
  /// Ends another connection, and the statement that it runs. Throws soci::soci_error.
  virtual void end(soci::session&, const std::string& /*connection_id*/) const {}
  /// Whether the connection still stands, as far as can be told before it is used.
  [[nodiscard]] virtual bool alive(soci::session&) const { return true; }
  /// Runs one statement and leaves the session as it was before: no transaction, no settings of the
  /// statement's. Asks the database to end it after `limits.timeout`; whoever started this process kills it
  /// when that does not help.
  [[nodiscard]] virtual Ran run(soci::session& session, const std::string& statement, Access access,
                                const Limits& limits) const = 0;
};

/// bad_config when `url` is none of a database.
[[nodiscard]] Result<std::unique_ptr<Engine>> make_engine(const std::string& url);
/// The file of sqlite:FILE; none when `url` is no such.
[[nodiscard]] std::optional<std::filesystem::path> sqlite_file(const std::string& url);
/// `file`: the database's file, made if it does not exist.
[[nodiscard]] std::unique_ptr<Engine> sqlite_engine(const std::filesystem::path& file);
/// `url`: as libpq takes it. bad_config when it does not.
[[nodiscard]] Result<std::unique_ptr<Engine>> postgresql_engine(const std::string& url);
/// `url`: mysql://user:password@host:port/database, ?unix_socket=, ?ssl_ca=.
[[nodiscard]] Result<std::unique_ptr<Engine>> mysql_engine(const std::string& url);

[[nodiscard]] Error open_transaction();

}  // namespace smaster::sql
