#include "server/sql.hpp"

#include <spdlog/spdlog.h>

#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <utility>

#include "server/core.hpp"

namespace smaster::server {
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

void Sql::run(const std::string& who, std::string statement, sql::Access access, Then then) {
  Job job{std::move(statement), access, std::chrono::steady_clock::now(), std::move(then)};
  if (running_ < kThreads) {
    ++running_;
    start(std::move(job));
    return;
  }
  const auto too_many = job.then;
  if (waiting_.push(who, std::move(job))) return;
  net::asio::post(core_.context, [too_many] {
    too_many(fail(ErrorKind::unavailable, "too many statements wait for the database; try again later"));
  });
}

/// Runs it, and then whatever is next.
void Sql::start(Job job) {
  const sql::Limits limits{core_.settings.statement_timeout, core_.settings.max_rows};
  net::asio::post(pool_, [this, database = this->database(), job = std::move(job), limits]() mutable {
    auto outcome = database ? (*database)->run(job.statement, job.access, limits)
                            : Result<sql::Outcome>(database.error());
    if (database) database->reset();  // one that the settings no longer name ends here, in the pool
    net::asio::post(core_.context, [this, job = std::move(job), outcome = std::move(outcome)]() mutable {
      if (auto next = waiting_.pop()) {
        start(std::move(*next));
      } else {
        --running_;
      }
      ++core_.metrics.statements[outcome ? "ok" : "error"];
      core_.metrics.statement_time.add(std::chrono::steady_clock::now() - job.begun);
      if (!outcome && outcome.error().kind == ErrorKind::unavailable) {
        spdlog::error("SQL: {}", outcome.error().message);
      }
      job.then(std::move(outcome));
    });
  });
}

}  // namespace smaster::server
