// SQL for shards and operators: one database, a pool of threads that wait for it, an answer each, in the end.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "base/fair_queue.hpp"
#include "net/asio.hpp"
#include "sql/sql.hpp"

namespace smaster::server {

class Core;

class Sql {
 public:
  using Then = std::function<void(Result<sql::Outcome>)>;

  explicit Sql(Core& core) : core_(core) {}

  /// Runs a statement and calls back from the context. Each who asks takes turns; unavailable when too many
  /// wait already.
  void run(const std::string& who, std::string statement, sql::Access access, Then then);
  [[nodiscard]] std::size_t waiting() const { return waiting_.size(); }
  /// Waits until what runs has ended.
  void join() { pool_.join(); }

 private:
  struct Job {
    std::string statement;
    sql::Access access;
    std::chrono::steady_clock::time_point begun;
    Then then;
  };
  [[nodiscard]] Result<std::shared_ptr<sql::Database>> database();
  void start(Job job);

  static constexpr std::size_t kThreads = 4;

  Core& core_;
  net::asio::thread_pool pool_{kThreads};
  std::string url_;  ///< of `database_`
  std::shared_ptr<sql::Database> database_;
  std::size_t running_ = 0;
  FairQueue<Job> waiting_{1'000, 500};
};

}  // namespace smaster::server
