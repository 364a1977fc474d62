#include "server/requests/sql.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/beast/core/string.hpp>
#include <optional>
#include <utility>

#include "base/text.hpp"
#include "net/clock.hpp"
#include "sql/engine.hpp"

namespace smaster::server {
namespace {

constexpr Millis kConnect{15'000};          ///< timeout of connecting; the libraries give up after 10 s
constexpr Millis kGrace{500};               ///< for the database to end a statement by itself
constexpr Millis kIdle{60'000};             ///< then a worker without work ends
constexpr std::size_t kSmall = 64u * 1024;  ///< bytes; such answers are decoded on the loop
constexpr int kTries = 3;

/// If there are more blobs than the requester's packets can carry, all become texts.
Result<sql::Message> decode(const std::string& payload, std::size_t most_blobs) {
  auto message = sql::decode_message(payload);
  if (!message) return message;
  auto* const answer = std::get_if<sql::Answer>(&*message);
  if (answer != nullptr && answer->outcome && answer->outcome->blobs.size() > most_blobs) {
    answer->outcome->json = answer->outcome->with_base64();
    answer->outcome->blobs.clear();
  }
  return message;
}

std::string name_of(const std::string& who) { return who.empty() ? "an operator" : "shard " + who; }

Error too_many_wait() {
  return fail(ErrorKind::unavailable, "too many statements wait for the database; try again later");
}

Result<void> check_text(const std::string& statement) {
  if (statement.find('\0') != std::string::npos) {
    return fail(ErrorKind::bad_data,
                "the statement contains the character U+0000, where databases would cut it; remove it");
  }
  if (statement.size() > sql::kMaxFrame) {
    return fail(ErrorKind::bad_data,
                "the statement is longer than " + std::to_string(sql::kMaxFrame >> 20) + " MiB");
  }
  return {};
}

}  // namespace

/// A worker process, and its statement.
struct Sql::Worker {
  Worker(net::asio::io_context& context, Line& line_, sql::Order order_)
      : line(line_), order(std::move(order_)), timer(context.get_executor()) {}

  [[nodiscard]] bool idle() const { return ready && !holder; }

  Line& line;
  const sql::Order order;
  std::shared_ptr<SqlProcess> process;
  net::Timer timer;                   ///< timeout of its present step
  std::string connection;             ///< the connection's id at the database
  std::optional<Job> job;             ///< not answered yet
  std::optional<std::string> holder;  ///< the requester that uses it; unset: free
  bool ready = false;
  bool sent = false;      ///< the statement was sent, and the database may still run it
  bool decoding = false;  ///< its large answer is being decoded
};

sql::Order Sql::order(const Line& line, sql::Access access) const {
  const auto& settings = parts_.settings;
  const auto url = settings.database_url.empty() ? "sqlite:" + (settings.state_dir / "database.db").string()
                                                 : settings.database_url;
  const bool reads = &line != &writers_ && sql::sqlite_file(url).has_value();
  return {url, reads ? sql::Access::read : access, {settings.statement_timeout, settings.max_rows}, 0, ""};
}

void Sql::refuse(Then then, Error error) {
  net::asio::post(parts_.context, [then = std::move(then), error = std::move(error)] { then(error); });
}

void Sql::run(const std::string& who, std::uint64_t connection, std::string statement, sql::Access access,
              Then then) {
  if (access == sql::Access::none) {
    return refuse(std::move(then), fail(ErrorKind::not_permitted,
                                        "shards may not use the database ([database] shard_access)"));
  }
  if (auto text = check_text(statement); !text) return refuse(std::move(then), text.error());
  const bool operators = who.empty();
  auto room = operators ? nullptr : texts_.take(who, statement.size());
  if (!operators && !room) return refuse(std::move(then), too_many_wait());
  enqueue(operators ? operators_ : shards_,
          {who, connection, only_reads(statement, access), std::move(statement), access, net::now(),
           std::move(then), std::move(room)});
}

void Sql::enqueue(Line& line, Job job) {
  const auto who = job.who;
  auto out = (who.empty() ? line.operators : line.shards).push(who, std::move(job));
  if (out) refuse(std::move(out->then), too_many_wait());
  dispatch(line);
}

void Sql::forget(const std::string& who) {
  drop(who, fail(ErrorKind::unavailable, "shard " + who + " was revoked"), [](const Job&) { return true; });
}

void Sql::left(const std::string& who, std::uint64_t connection) {
  drop(who, fail(ErrorKind::not_found, "shard " + who + " has left"),
       [connection](const Job& job) { return job.connection == connection && job.only_reads; });
}

void Sql::drop(const std::string& who, const Error& why, const std::function<bool(const Job&)>& which) {
  for (auto* const line : {&shards_, &writers_}) {
    for (auto& job : line->shards.remove(who, which)) refuse(std::move(job.then), why);
    for (const auto& worker : line->workers) {
      if (worker->holder != who || !worker->job || !which(*worker->job)) continue;
      finish(*worker, why);
      worker->process->kill();
    }
  }
}

/// In SQLite nothing that begins with SELECT can write. In a server's database a function can.
bool Sql::only_reads(std::string_view statement, sql::Access access) const {
  if (access == sql::Access::read) return true;
  const auto& url = parts_.settings.database_url;
  const auto word = trim(statement).substr(0, 6);
  return (url.empty() || sql::sqlite_file(url)) && boost::beast::iequals(word, "select");
}

void Sql::dispatch(Line& line) {
  const auto may = [&](const std::string& who) {
    const auto busy = line.busy_of.find(who);
    return busy == line.busy_of.end() || busy->second < line.each;
  };
  while (!stopped_ && line.busy < line.size) {
    auto job = line.operators.pop(may);
    if (!job) job = line.shards.pop(may);
    if (!job) return;
    ++line.busy;
    ++line.busy_of[job->who];
    assign(line, std::move(*job));
  }
}

/// Gives the job to an idle worker with the same access and settings, or to a new one.
void Sql::assign(Line& line, Job job) {
  auto wanted = order(line, job.access);
  const auto fits = [&](const WorkerPtr& worker) {
    return worker->idle() && worker->order.access == wanted.access && worker->order.url == wanted.url &&
           worker->order.limits == wanted.limits;
  };
  WorkerPtr worker;
  if (const auto found = std::find_if(line.workers.begin(), line.workers.end(), fits);
      found != line.workers.end()) {
    worker = *found;
  } else if (auto hired = hire(line, std::move(wanted))) {
    worker = *hired;
  } else {
    refuse(
        [this, &line, who = job.who, then = std::move(job.then)](Result<sql::Outcome> outcome) {
          spdlog::error("SQL: {}", outcome.error().message);
          then(std::move(outcome));
          release(line, who);
        },
        hired.error());
    return;
  }
  worker->holder = job.who;
  worker->job = std::move(job);
  if (worker->ready) submit(*worker);
  watch(worker, worker->ready ? worker->order.limits.timeout + kGrace : kConnect, &Sql::on_late);
}

Result<Sql::WorkerPtr> Sql::hire(Line& line, sql::Order order) {
  if (line.workers.size() >= line.size) {
    const auto other = std::find_if(line.workers.begin(), line.workers.end(),
                                    [](const WorkerPtr& worker) { return worker->idle(); });
    if (other != line.workers.end()) on_idle(**other);
  }
  auto worker = std::make_shared<Worker>(parts_.context, line, order);
  const std::weak_ptr<Worker> weak = worker;
  auto process = SqlProcess::start(
      parts_.context, std::move(order),
      [this, weak](std::string payload) {
        if (const auto self = weak.lock()) receive(self, std::move(payload));
      },
      [this, worker](const std::string& how) { on_end(worker, how); });
  if (!process) return process.error();
  worker->process = std::move(*process);
  line.workers.push_back(worker);
  return worker;
}

void Sql::submit(Worker& worker) {
  worker.sent = true;
  worker.process->send(worker.job->statement);
}

void Sql::receive(const WorkerPtr& worker, std::string payload) {
  if (worker->decoding) return worker->process->kill();  // a worker answers once
  // Packets of shards carry blobs, lines for operators do not.
  const auto most_blobs = worker->job && !worker->job->who.empty() ? socketio::kMaxAttachments : 0;
  if (payload.size() <= kSmall) return on_message(worker, decode(payload, most_blobs));
  worker->timer.cancel();
  worker->decoding = true;
  net::asio::post(decoding_, [this, worker, most_blobs, payload = std::move(payload)] {
    auto message = decode(payload, most_blobs);
    net::asio::post(parts_.context, [this, worker, message = std::move(message)]() mutable {
      worker->decoding = false;
      on_message(worker, std::move(message));
    });
  });
}

void Sql::on_message(const WorkerPtr& worker, Result<sql::Message> message) {
  if (!message || !worker->job) {  // a worker without a statement must not send anything
    if (worker->job && !message) finish(*worker, message.error());
    return worker->process->kill();
  }
  if (const auto* const ready = std::get_if<sql::Ready>(&*message)) {
    on_ready(*worker, *ready);
    watch(worker, worker->order.limits.timeout + kGrace, &Sql::on_late);
  } else if (std::holds_alternative<sql::Stale>(*message)) {
    on_stale(*worker);
  } else if (std::holds_alternative<sql::Writes>(*message)) {
    on_writes(worker);
  } else {
    on_answer(worker, std::get<sql::Answer>(std::move(*message)));
  }
}

void Sql::on_ready(Worker& worker, const sql::Ready& ready) {
  if (std::exchange(worker.ready, true)) return worker.process->kill();
  worker.connection = ready.connection;
  if (!ready.missing.empty() && !std::exchange(said_missing_, true)) {
    spdlog::warn(
        "this kernel, or what the server may use of it, lacks {}: shards' SQL is held by the remaining "
        "limits of its processes alone; see smaster-security(7)",
        ready.missing);
  }
  submit(worker);
}

/// The database closed the connection before the statement was sent: the statement gets a new worker.
void Sql::on_stale(Worker& worker) {
  worker.sent = false;
  if (++worker.job->tries >= kTries) {
    finish(worker, fail(ErrorKind::unavailable, "the database cannot be reached: it closes each connection"));
  }
  worker.process->kill();
}

void Sql::on_writes(const WorkerPtr& worker) {
  if (worker->order.access != sql::Access::read) return worker->process->kill();
  worker->sent = false;
  if (worker->job->access == sql::Access::read) {
    finish(*worker, fail(ErrorKind::not_permitted,
                         "this statement writes, and shards may only read ([database] shard_access)"));
  } else {
    enqueue(writers_, std::move(*std::exchange(worker->job, std::nullopt)));
  }
  set_free(worker);
}

void Sql::on_answer(const WorkerPtr& worker, sql::Answer answer) {
  // A worker that gave up its connection may have left the statement running.
  worker->sent = worker->sent && answer.last;
  const bool again = worker->ready && !answer.last;
  finish(*worker, std::move(answer.outcome));
  if (!again) return worker->process->kill();
  set_free(worker);
}

void Sql::set_free(const WorkerPtr& worker) {
  watch(worker, kIdle, &Sql::on_idle);
  const auto who = *std::exchange(worker->holder, std::nullopt);
  release(worker->line, who);
}

void Sql::watch(const WorkerPtr& worker, Millis patience, void (Sql::*late)(Worker&)) {
  worker->timer.expires_after(patience);
  worker->timer.async_wait([this, weak = std::weak_ptr(worker), late](boost::system::error_code error) {
    const auto self = weak.lock();
    if (!error && self && self->timer.expiry() <= net::Timer::clock_type::now()) (this->*late)(*self);
  });
}

void Sql::on_late(Worker& worker) {
  if (!worker.job) return;
  finish(worker, worker.sent
                     ? sql::timed_out(worker.order.limits)
                     : fail(ErrorKind::unavailable,
                            "the database cannot be reached: no answer within " + format_duration(kConnect)));
  worker.process->kill();
}

void Sql::on_idle(Worker& worker) {
  if (!worker.idle()) return;
  worker.ready = false;  // accepts no more jobs
  worker.process->kill();
}

void Sql::on_end(const WorkerPtr& worker, const std::string& how) {
  worker->timer.cancel();
  auto& line = worker->line;
  std::erase(line.workers, worker);
  if (!worker->holder) return;
  if (worker->job && worker->ready && !worker->sent) {  // its connection was stale
    return assign(line, std::move(*std::exchange(worker->job, std::nullopt)));
  }
  if (worker->job) {
    spdlog::warn("SQL: a worker process ended ({}) while it worked for {}", how, name_of(*worker->holder));
    finish(*worker, worker->sent
                        ? fail(ErrorKind::bad_data, "the process that ran the statement ended (" + how +
                                                        "); the statement may or may not have been done")
                        : fail(ErrorKind::unavailable, "the SQL worker process ended (" + how +
                                                           ") before it was connected to the database"));
  }
  const auto release_turn = [this, &line, who = *worker->holder](const std::string&) { release(line, who); };
  if (!end_statement(*worker, release_turn)) release_turn("");
}

/// A database server continues a statement after its client has gone: starts a process that ends it. Null if
/// there is nothing to end.
std::shared_ptr<SqlProcess> Sql::end_statement(const Worker& worker, SqlProcess::OnEnd then) {
  if (!worker.sent || worker.connection.empty()) return nullptr;
  auto order = worker.order;
  order.end = worker.connection;
  auto process = SqlProcess::start(parts_.context, std::move(order), {}, std::move(then));
  if (!process) spdlog::error("SQL: a statement may go on at the database: {}", process.error().message);
  return process ? *process : nullptr;
}

void Sql::finish(Worker& worker, Result<sql::Outcome> outcome) {
  const auto job = *std::exchange(worker.job, std::nullopt);
  worker.timer.cancel();
  ++parts_.metrics.statements[outcome ? "ok" : "error"];
  parts_.metrics.statement_time.add(net::now() - job.begun);
  if (!outcome && outcome.error().kind == ErrorKind::unavailable) {
    spdlog::error("SQL: {}", outcome.error().message);
  }
  job.then(std::move(outcome));
}

void Sql::release(Line& line, const std::string& who) {
  --line.busy;
  const auto busy = line.busy_of.find(who);
  if (--busy->second == 0) line.busy_of.erase(busy);
  dispatch(line);
}

void Sql::stop() {
  stopped_ = true;
  for (auto* const line : {&shards_, &operators_, &writers_}) {
    for (const auto& worker : line->workers) {
      worker->timer.cancel();
      worker->process->forget();
      worker->process->kill();
      ending_.push_back(worker->process);
      if (auto process = end_statement(*worker, {})) ending_.push_back(std::move(process));
    }
    line->workers.clear();
  }
}

void Sql::join() {
  decoding_.join();
  for (const auto& process : ending_) process->join();
}

}  // namespace smaster::server
