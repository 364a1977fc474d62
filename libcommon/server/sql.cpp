#include "server/sql.hpp"

#include <spdlog/spdlog.h>

#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <utility>

#include "server/core.hpp"

namespace smaster::server {
namespace {

constexpr std::size_t kMostWaiting = 1'000;

}  // namespace

/// That of the present settings; one that they no longer name ends with its last statement.
Result<std::shared_ptr<sql::Database>> Sql::database() {
  const auto& settings = core_.settings;
  const auto url = settings.database_url.empty() ? "sqlite:" + (settings.state_dir / "database.db").string()
                                                 : settings.database_url;
  if (!database_ || url != url_) {
    auto made = sql::Database::make(url, kThreads);
    if (!made) return made.error();
    database_ = std::move(*made);
    url_ = url;
  }
  return database_;
}

void Sql::run(std::string statement, sql::Access access, Then then) {
  auto database = this->database();
  if (database && waiting_ >= kMostWaiting) {
    database = fail(ErrorKind::unavailable, std::to_string(waiting_) + " statements wait for the database");
  }
  if (!database) {
    net::asio::post(core_.context, [error = database.error(), then = std::move(then)] { then(error); });
    return;
  }
  ++waiting_;
  const auto begun = std::chrono::steady_clock::now();
  const sql::Limits limits{core_.settings.statement_timeout, core_.settings.max_rows};
  net::asio::post(pool_, [this, database = std::move(*database), statement = std::move(statement), access,
                          begun, limits, then = std::move(then)]() mutable {
    auto outcome = database->run(statement, access, limits);
    database.reset();
    net::asio::post(core_.context,
                    [this, begun, outcome = std::move(outcome), then = std::move(then)]() mutable {
                      --waiting_;
                      ++core_.metrics.statements[outcome ? "ok" : "error"];
                      core_.metrics.statement_time.add(std::chrono::steady_clock::now() - begun);
                      if (!outcome && outcome.error().kind == ErrorKind::unavailable) {
                        spdlog::error("SQL: {}", outcome.error().message);
                      }
                      then(std::move(outcome));
                    });
  });
}

}  // namespace smaster::server
