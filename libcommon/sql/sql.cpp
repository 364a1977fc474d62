#include "sql/sql.hpp"

#include <soci/soci.h>

#include <utility>

#include "base/text.hpp"
#include "sql/engine.hpp"

namespace smaster::sql {
namespace {

/// Sessions with one access each: a read-only one is that for good where the database knows such.
class Pool final : public Database {
 public:
  Pool(std::unique_ptr<Engine> engine, std::size_t size)
      : engine_(std::move(engine)), readers_(size), writers_(size) {}

  Result<Outcome> run(const std::string& statement, Access access, const Limits& limits) override {
    if (access == Access::none) {
      return fail(ErrorKind::not_permitted, "shards may not use the database ([database] shard_access)");
    }
    auto& pool = access == Access::read ? readers_ : writers_;
    const Lease lease(pool);
    auto& session = pool.at(lease.position);
    try {
      // SOCI asks the backend by itself whether it is connected; only we know how to without a round trip.
      if (session.get_backend() == nullptr || !engine_->alive(session)) {
        session.close();
        engine_->open(session, access);
      }
    } catch (const std::exception& e) {
      session.close();
      return fail(ErrorKind::unavailable,
                  std::string("the database cannot be reached: ") + std::string(trim(e.what())));
    }
    auto ran = engine_->run(session, statement, access, limits);
    if (ran.broken) session.close();
    return std::move(ran.outcome);
  }

 private:
  struct Lease {
    explicit Lease(soci::connection_pool& pool_) : pool(pool_), position(pool_.lease()) {}
    ~Lease() { pool.give_back(position); }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    soci::connection_pool& pool;
    const std::size_t position;
  };

  std::unique_ptr<Engine> engine_;
  soci::connection_pool readers_;
  soci::connection_pool writers_;
};

}  // namespace

std::string_view to_string(Access access) {
  switch (access) {
    case Access::none:
      return "none";
    case Access::read:
      return "read";
    case Access::write:
      return "write";
  }
  return "none";
}

Error timed_out(const Limits& limits) {
  return fail(ErrorKind::timed_out, "the statement took longer than " + format_duration(limits.timeout) +
                                        " ([database] statement_timeout) and was stopped");
}

Error open_transaction() {
  return fail(
      ErrorKind::bad_data,
      "the statement left a transaction open, which was rolled back: each request is a transaction of "
      "its own");
}

Result<std::shared_ptr<Database>> Database::make(const std::string& url, std::size_t size) {
  const auto scheme = url.substr(0, url.find(':'));
  Result<std::unique_ptr<Engine>> engine =
      fail(ErrorKind::bad_config, "takes sqlite:FILE, postgresql://… or mysql://…");
  if (scheme == "sqlite") {
    auto file = url.substr(std::min(url.size(), scheme.size() + 1));
    if (file.starts_with("//")) file.erase(0, 2);
    if (!file.empty()) engine = sqlite_engine(file);
  } else if (scheme == "postgresql" || scheme == "postgres") {
    engine = postgresql_engine(url);
  } else if (scheme == "mysql" || scheme == "mariadb") {
    engine = mysql_engine(url);
  }
  if (!engine) return engine.error();
  return std::shared_ptr<Database>(std::make_shared<Pool>(std::move(*engine), size));
}

}  // namespace smaster::sql
