// SQL for shards and operators: one database, and a few worker processes that run the statements. Statements
// run in no other process: a worker can be killed, and can reach nothing but the database.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/fair_queue.hpp"
#include "net/asio.hpp"
#include "server/fairness/places.hpp"
#include "server/metrics/metrics.hpp"
#include "server/requests/sql_process.hpp"
#include "settings/settings.hpp"
#include "sql/sql.hpp"
#include "wire/socketio/packet.hpp"

namespace smaster::server {

class Sql {
 public:
  using Then = std::function<void(Result<sql::Outcome>)>;

  struct Parts {
    net::asio::io_context& context;
    const Settings& settings;
    Metrics& metrics;
  };
  explicit Sql(const Parts& parts) : parts_(parts) {}

  /// Runs a statement and calls back from the context, never from within. `who`: the name of the shard's
  /// config; empty: an operator. `connection`: of that shard (ShardRef); 0: an operator. Operators have
  /// workers of their own, and the next turn where there is one writer. Shards take turns. Errors:
  /// unavailable if too many wait, the shard was revoked or the database cannot be reached, not_permitted
  /// without access, timed_out; those of the statement.
  void run(const std::string& who, std::uint64_t connection, std::string statement, sql::Access access,
           Then then);
  /// The shard was revoked: its waiting statements are not run, its running ones are killed.
  void forget(const std::string& who);
  /// The connection has ended. Nobody waits for what it has read: such statements are not run, or killed.
  /// Those that may write are done.
  void left(const std::string& who, std::uint64_t connection);
  /// Number of statements that wait for a worker.
  [[nodiscard]] std::size_t waiting() const {
    std::size_t sum = 0;
    for (const auto* const line : {&shards_, &operators_, &writers_}) {
      sum += line->operators.size() + line->shards.size();
    }
    return sum;
  }
  /// Kills the workers and ends their statements. Call when the context is about to stop: no callback
  /// follows.
  void stop();
  /// Waits until the workers have ended; blocks. Call after `stop`, when the context has ended.
  void join();

 private:
  struct Job {
    std::string who;
    std::uint64_t connection;  ///< that of the shard which asked
    bool only_reads;           ///< known without looking at the database
    std::string statement;
    sql::Access access;
    std::chrono::steady_clock::time_point begun;
    Then then;
    std::shared_ptr<void> room;  ///< memory budget of the statement's text
    int tries = 0;
  };
  struct Worker;
  using WorkerPtr = std::shared_ptr<Worker>;
  /// A group of workers and its queue. A worker's access and settings are fixed; it is replaced when others
  /// are needed.
  struct Line {
    Line(std::size_t size_, std::size_t each_) : size(size_), each(each_) {}

    const std::size_t size;  ///< maximum number of concurrent statements
    const std::size_t each;  ///< the same, per shard
    FairQueue<Job> operators{1'000, 1'000};
    FairQueue<Job> shards{20'000, 500};
    std::size_t busy = 0;
    std::unordered_map<std::string, std::size_t> busy_of;
    std::vector<WorkerPtr> workers;
  };

  void drop(const std::string& who, const Error& why, const std::function<bool(const Job&)>& which);
  [[nodiscard]] bool only_reads(std::string_view statement, sql::Access access) const;
  [[nodiscard]] sql::Order order(const Line& line, sql::Access access) const;
  void refuse(Then then, Error error);
  void enqueue(Line& line, Job job);
  void dispatch(Line& line);
  void assign(Line& line, Job job);
  [[nodiscard]] Result<WorkerPtr> hire(Line& line, sql::Order order);
  void submit(Worker& worker);
  void receive(const WorkerPtr& worker, std::string payload);
  void on_message(const WorkerPtr& worker, Result<sql::Message> message);
  void on_ready(Worker& worker, const sql::Ready& ready);
  void on_stale(Worker& worker);
  void on_writes(const WorkerPtr& worker);
  void on_answer(const WorkerPtr& worker, sql::Answer answer);
  void set_free(const WorkerPtr& worker);
  void watch(const WorkerPtr& worker, std::chrono::milliseconds patience, void (Sql::*late)(Worker&));
  void on_late(Worker& worker);
  void on_idle(Worker& worker);
  void on_end(const WorkerPtr& worker, const std::string& how);
  [[nodiscard]] std::shared_ptr<SqlProcess> end_statement(const Worker& worker, SqlProcess::OnEnd then);
  void finish(Worker& worker, Result<sql::Outcome> outcome);
  void release(Line& line, const std::string& who);

  const Parts parts_;
  Places texts_{128u << 20, 4u << 20};  ///< bytes of shards' statements: in total, and per shard
  net::asio::thread_pool decoding_{1};  ///< decodes large answers
  Line shards_{4, 3};
  Line operators_{2, 2};
  /// Statements that write to a file with one writer at a time. They wait here, in turn by requester, instead
  /// of for the file's lock: there a requester that always has the next statement ready would starve others.
  /// All statements for such a file are tried first by workers of the other lines, which only read it.
  Line writers_{1, 1};
  std::vector<std::shared_ptr<SqlProcess>> ending_;  ///< for `join`
  bool said_missing_ = false;
  bool stopped_ = false;
};

}  // namespace smaster::server
