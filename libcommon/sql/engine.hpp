// The operations of each kind of database on a worker process' single connection.
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

/// The result of a statement, and whether the connection is still usable.
struct Ran {
  Result<Outcome> outcome;
  bool broken = false;  ///< the connection must not be used any more
  bool writes = false;  ///< the session only reads, and the statement needs one that writes; it had no effect
};

class Engine {
 public:
  virtual ~Engine() = default;
  /// Connects the session and opens all files that `run` needs: once statements run, the process can open
  /// neither files nor sockets. Throws soci::soci_error.
  virtual void open(soci::session& session, Access access, const Limits& limits) const = 0;
  /// True if the database is reached by a socket. Otherwise it is a file with one writer at a time, and `run`
  /// says which statements write.
  [[nodiscard]] virtual bool remote() const { return true; }
  /// The database's id of this connection, for `end`; empty: a statement ends with its process.
  [[nodiscard]] virtual Result<std::string> connection_id(soci::session&) const { return std::string(); }
  /// Terminates another connection and its running statement. Throws soci::soci_error.
  virtual void end(soci::session&, const std::string& /*connection_id*/) const {}
  /// False if the connection is known to be closed. Does not query the database.
  [[nodiscard]] virtual bool alive(soci::session&) const { return true; }
  /// Runs one statement, then resets the session: open transactions and changed settings are undone. Asks the
  /// database to stop the statement after `limits.timeout`; if that has no effect, the server kills this
  /// process.
  [[nodiscard]] virtual Ran run(soci::session& session, const std::string& statement, Access access,
                                const Limits& limits) const = 0;
};

/// Errors: bad_config if `url` is not a supported database address.
[[nodiscard]] Result<std::unique_ptr<Engine>> make_engine(const std::string& url);
/// The file of sqlite:FILE; nullopt for other addresses.
[[nodiscard]] std::optional<std::filesystem::path> sqlite_file(const std::string& url);
/// `file`: the database file, created if it does not exist.
[[nodiscard]] std::unique_ptr<Engine> sqlite_engine(const std::filesystem::path& file);
/// `url`: a libpq address. Errors: bad_config if libpq rejects it.
[[nodiscard]] Result<std::unique_ptr<Engine>> postgresql_engine(const std::string& url);
/// `url`: mysql://user:password@host:port/database, ?unix_socket=, ?ssl_ca=.
[[nodiscard]] Result<std::unique_ptr<Engine>> mysql_engine(const std::string& url);

[[nodiscard]] Error open_transaction();

}  // namespace smaster::sql
