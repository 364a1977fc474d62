#include "store/postgresql.hpp"

#include <botan/hex.h>
#include <soci/postgresql/soci-postgresql.h>
#include <soci/soci.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <utility>

#include "base/text.hpp"
#include "sql/engine.hpp"
#include "store/event_rows.hpp"
#include "store/failure.hpp"
#include "store/row.hpp"

namespace smaster::store {
namespace {

/// A connection that is opened on first use, and reopened after a failure.
class Connection {
 public:
  /// `timeout`: of each statement, and of connecting, there in whole seconds, at least one.
  Connection(std::string url, Millis timeout) : url_(std::move(url)), timeout_(timeout) {}

  /// Runs `work` in a transaction. Turns SOCI's exceptions into error values.
  template <class T, class Work>
  Result<T> run(const char* what, Work work) {
    try {
      connect();
      soci::transaction transaction(sql_);
      if constexpr (std::is_void_v<T>) {
        Result<void> done = work(sql_);
        if (done) transaction.commit();
        return done;
      } else {
        Result<T> result = work(sql_);
        if (result) transaction.commit();
        return result;
      }
    } catch (const std::exception& e) {
      sql_.close();  // its state is unknown after an error
      return fail(ErrorKind::unavailable,
                  std::string("PostgreSQL: cannot ") + what + ": " + std::string(trim(database_message(e))));
    }
  }

 private:
  void connect() {
    if (sql_.get_backend() != nullptr) return;
    const auto seconds = std::max<std::int64_t>(1, timeout_.count() / 1000);
    const auto separator = url_.find('?') == std::string::npos ? '?' : '&';
    sql_.open(soci::postgresql, url_ + separator + "connect_timeout=" + std::to_string(seconds) +
                                    "&tcp_user_timeout=" + std::to_string(timeout_.count()));
    sql_ << "SET statement_timeout = " << timeout_.count();
    sql_ << "SET idle_in_transaction_session_timeout = " << timeout_.count();
    sql_ << "SET client_min_messages = warning";
    make_tables();
  }

  /// The advisory lock serialises servers that create the tables at the same time.
  void make_tables() {
    soci::transaction transaction(sql_);
    sql_ << "SELECT pg_advisory_xact_lock(hashtext('smaster tables'))";
    sql_ << "CREATE TABLE IF NOT EXISTS smaster_shards (name text PRIMARY KEY, row text NOT NULL)";
    sql_ << "CREATE TABLE IF NOT EXISTS smaster_notes (name text PRIMARY KEY, text text NOT NULL)";
    sql_ << "CREATE TABLE IF NOT EXISTS smaster_members (name text PRIMARY KEY, member text NOT NULL, "
            "until timestamptz NOT NULL)";
    sql_ << "CREATE TABLE IF NOT EXISTS smaster_leader (one int PRIMARY KEY CHECK (one = 1), term bigint NOT "
            "NULL, member text NOT NULL, until timestamptz NOT NULL)";
    sql_ << "INSERT INTO smaster_leader VALUES (1, 0, '', '-infinity') ON CONFLICT DO NOTHING";
    sql_
        << "CREATE TABLE IF NOT EXISTS smaster_history (shard text NOT NULL, first bigint NOT NULL, last "
           "bigint NOT NULL, packed bytea NOT NULL, full_block boolean NOT NULL, PRIMARY KEY (shard, first))";
    sql_ << "CREATE INDEX IF NOT EXISTS smaster_history_last ON smaster_history (last)";
    sql_ << events_table("smaster_events");
    transaction.commit();
  }

  const std::string url_;
  const Millis timeout_;
  soci::session sql_;
};

constexpr Millis kTimeout{5'000};
using Term = std::shared_ptr<std::atomic<long long>>;

class PostgresqlStore final : public Store {
 public:
  PostgresqlStore(const std::string& url, Term term) : connection_(url, kTimeout), term_(std::move(term)) {}

  Result<std::vector<fleet::ShardInfo>> load_registry() override {
    return connection_.run<std::vector<fleet::ShardInfo>>(
        "read the registry", [](soci::session& sql) -> Result<std::vector<fleet::ShardInfo>> {
          std::vector<fleet::ShardInfo> shards;
          const soci::rowset<std::string> rows = (sql.prepare << "SELECT row FROM smaster_shards");
          for (const auto& row : rows) {
            auto info = parse_row(row);
            if (!info) return fail(ErrorKind::bad_data, "PostgreSQL: a row of smaster_shards is no shard's");
            shards.push_back(std::move(*info));
          }
          return shards;
        });
  }

  Result<void> save(const std::vector<fleet::ShardInfo>& shards) override {
    return write("write the registry", [&](soci::session& sql) {
      std::string name, row;
      soci::statement insert = (sql.prepare << "INSERT INTO smaster_shards VALUES (:name, :row) ON CONFLICT "
                                               "(name) DO UPDATE SET row = EXCLUDED.row",
                                soci::use(name), soci::use(row));
      for (const auto& shard : shards) {
        name = shard.id.str();
        row = to_text(shard);
        insert.execute(true);
      }
    });
  }

  Result<void> remove(const std::vector<ShardName>& shards) override {
    return write("forget shards", [&](soci::session& sql) {
      for (const auto& shard : shards) {
        sql << "DELETE FROM smaster_shards WHERE name = :name", soci::use(shard.str());
      }
    });
  }

  Result<std::vector<std::string>> notes() override {
    return connection_.run<std::vector<std::string>>(
        "read", [](soci::session& sql) -> Result<std::vector<std::string>> {
          const soci::rowset<std::string> rows =
              (sql.prepare << "SELECT name FROM smaster_notes ORDER BY name");
          return std::vector<std::string>(rows.begin(), rows.end());
        });
  }

  Result<std::string> load_note(const std::string& name) override {
    return connection_.run<std::string>("read", [&](soci::session& sql) -> Result<std::string> {
      std::string text;
      sql << "SELECT text FROM smaster_notes WHERE name = :name", soci::use(name), soci::into(text);
      return text;
    });
  }

  Result<void> save_note(const std::string& name, const std::string& text) override {
    return write("write", [&](soci::session& sql) {
      sql << "INSERT INTO smaster_notes VALUES (:name, :text) ON CONFLICT (name) DO UPDATE SET text = "
             "EXCLUDED.text",
          soci::use(name), soci::use(text);
    });
  }

 private:
  /// Runs `work` in a transaction that locks the leader row, and fails unless this server leads.
  template <class Work>
  Result<void> write(const char* what, Work work) {
    return connection_.run<void>(what, [&](soci::session& sql) -> Result<void> {
      const long long term = *term_;
      int leads = 0;
      sql << "SELECT 1 FROM smaster_leader WHERE term = :term AND until > clock_timestamp() FOR UPDATE",
          soci::use(term), soci::into(leads);
      if (term == 0 || leads == 0) {
        return fail(ErrorKind::not_permitted,
                    "PostgreSQL: this server does not lead any more; nothing was written");
      }
      work(sql);
      return {};
    });
  }

  Connection connection_;
  Term term_;
};

class PostgresqlElection final : public Election {
 public:
  PostgresqlElection(const std::string& url, Millis lease, Term term)
      : connection_(url, lease / 3), lease_(lease), term_(std::move(term)) {}

  Result<Standing> campaign(const Member& self) override {
    name_ = self.name;
    auto leading = self;
    leading.leads_since = std::chrono::time_point_cast<Millis>(std::chrono::system_clock::now());
    return connection_.run<
        Standing>("take part in the election", [&](soci::session& sql) -> Result<Standing> {
      const auto ms = static_cast<long long>(lease_.count());
      const auto text = to_text(self), leader_text = to_text(leading);
      sql << "DELETE FROM smaster_members WHERE until < clock_timestamp() AND name <> :name",
          soci::use(self.name);
      sql << "INSERT INTO smaster_members VALUES (:name, :member, clock_timestamp() + :ms * interval '1 ms') "
             "ON CONFLICT (name) DO UPDATE SET member = EXCLUDED.member, until = EXCLUDED.until",
          soci::use(self.name), soci::use(text), soci::use(ms);
      long long term = 0;
      sql << "UPDATE smaster_leader SET term = term + 1, member = :member, until = clock_timestamp() + :ms * "
             "interval '1 ms' WHERE until < clock_timestamp() RETURNING term",
          soci::use(leader_text), soci::use(ms), soci::into(term);
      if (term != 0) {
        *term_ = term;
        return Standing{true, leading};
      }
      std::string member;
      sql << "SELECT member FROM smaster_leader WHERE until > clock_timestamp()", soci::into(member);
      Standing standing;
      if (auto leader = parse_member(member)) standing.leader = std::move(*leader);
      return standing;
    });
  }

  Result<void> renew() override {
    return connection_.run<void>("renew the lease", [&](soci::session& sql) -> Result<void> {
      const auto ms = static_cast<long long>(lease_.count());
      const long long term = *term_;
      long long kept = 0;
      sql << "UPDATE smaster_leader SET until = clock_timestamp() + :ms * interval '1 ms' WHERE term = :term "
             "AND until > clock_timestamp() RETURNING term",
          soci::use(ms), soci::use(term), soci::into(kept);
      if (kept == 0) return fail(ErrorKind::not_permitted, "its lease has ended");
      sql << "UPDATE smaster_members SET until = clock_timestamp() + :ms * interval '1 ms' WHERE name = "
             ":name",
          soci::use(ms), soci::use(name_);
      return {};
    });
  }

  void resign() override {
    const long long term = term_->exchange(0);
    (void)connection_.run<void>("resign", [&](soci::session& sql) -> Result<void> {
      sql << "UPDATE smaster_leader SET until = '-infinity' WHERE term = :term", soci::use(term);
      sql << "DELETE FROM smaster_members WHERE name = :name", soci::use(name_);
      return {};
    });
  }

  Result<std::vector<Member>> members() override {
    return connection_.run<std::vector<Member>>(
        "read the members", [](soci::session& sql) -> Result<std::vector<Member>> {
          std::vector<Member> members;
          const soci::rowset<std::string> rows =
              (sql.prepare << "SELECT member FROM smaster_members WHERE until > clock_timestamp()");
          for (const auto& row : rows) {
            if (auto member = parse_member(row)) members.push_back(std::move(*member));
          }
          return members;
        });
  }

  /// Just sleeps: the end of a lease causes no event.
  void wait(Millis most) override {
    std::unique_lock lock(mutex_);
    stopped_changed_.wait_for(lock, std::min(most, kLook), [this] { return stopped_; });
  }
  void stop() override {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    stopped_changed_.notify_all();
  }
  [[nodiscard]] Millis lease() const override { return lease_; }

 private:
  static constexpr Millis kLook{500};

  Connection connection_;
  const Millis lease_;
  Term term_;
  std::string name_;
  std::mutex mutex_;
  std::condition_variable stopped_changed_;
  bool stopped_ = false;
};

std::string hex(const std::string& bytes) {
  return Botan::hex_encode(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size(), false);
}

std::string from_hex(const std::string& text) {
  const auto bytes = Botan::hex_decode(text);
  return {bytes.begin(), bytes.end()};
}

class PostgresqlHistory final : public HistoryStore {
 public:
  explicit PostgresqlHistory(const std::string& url) : connection_(url, kTimeout) {}

  Result<std::vector<fleet::SampleBlock>> load_history(const ShardName& shard, Time since) override {
    using Blocks = std::vector<fleet::SampleBlock>;
    return connection_.run<Blocks>("read the history", [&](soci::session& sql) -> Result<Blocks> {
      Blocks blocks;
      const long long from = to_unix_ms(since);
      long long first = 0, last = 0;
      int full = 0;
      std::string packed;
      soci::statement select =
          (sql.prepare << "SELECT first, last, encode(packed, 'hex'), full_block::int FROM smaster_history "
                          "WHERE shard = :shard AND last > :since",
           soci::into(first), soci::into(last), soci::into(packed), soci::into(full), soci::use(shard.str()),
           soci::use(from));
      select.execute();
      while (select.fetch()) {
        blocks.push_back({shard, from_unix_ms(first), from_unix_ms(last), from_hex(packed), full != 0});
      }
      return blocks;
    });
  }

  Result<void> save_history(const std::vector<fleet::SampleBlock>& blocks, Time oldest) override {
    return connection_.run<void>("write the history", [&](soci::session& sql) -> Result<void> {
      std::string name, packed;
      long long first = 0, last = 0;
      int full = 0;
      soci::statement insert =
          (sql.prepare
               << "INSERT INTO smaster_history VALUES (:shard, :first, :last, decode(:packed, 'hex'), "
                  ":full = 1) ON CONFLICT (shard, first) DO UPDATE SET last = EXCLUDED.last, packed = "
                  "EXCLUDED.packed, full_block = EXCLUDED.full_block",
           soci::use(name), soci::use(first), soci::use(last), soci::use(packed), soci::use(full));
      for (const auto& block : blocks) {
        name = block.shard.str();
        first = to_unix_ms(block.first);
        last = to_unix_ms(block.last);
        packed = hex(block.packed);
        full = block.full ? 1 : 0;
        insert.execute(true);
      }
      const long long before = to_unix_ms(oldest);
      sql << "DELETE FROM smaster_history WHERE last < :before", soci::use(before);
      return {};
    });
  }

  Result<void> forget(const std::vector<ShardName>& shards) override {
    return connection_.run<void>("forget shards' history", [&](soci::session& sql) -> Result<void> {
      for (const auto& shard : shards) {
        sql << "DELETE FROM smaster_history WHERE shard = :name", soci::use(shard.str());
      }
      return {};
    });
  }

  Result<std::vector<fleet::Event>> load_events(const fleet::EventQuery& query) override {
    using Events = std::vector<fleet::Event>;
    return connection_.run<Events>("read the events", [&](soci::session& sql) -> Result<Events> {
      return select_events(sql, "smaster_events", query);
    });
  }

  Result<void> save_events(const std::vector<fleet::Event>& events, Time oldest, std::size_t most) override {
    return connection_.run<void>("write the events", [&](soci::session& sql) -> Result<void> {
      insert_events(sql, "smaster_events", events);
      delete_events(sql, "smaster_events", oldest, most);
      return {};
    });
  }

 private:
  Connection connection_;
};

}  // namespace

Result<void> check_postgresql_url(const std::string& url) {
  const auto engine = sql::postgresql_engine(url);
  return engine ? Result<void>() : engine.error();
}

SharedStore open_postgresql(const std::string& url, Millis lease) {
  auto term = std::make_shared<std::atomic<long long>>(0);
  return {std::make_unique<PostgresqlStore>(url, term),
          std::make_unique<PostgresqlElection>(url, lease, term)};
}

std::unique_ptr<HistoryStore> open_postgresql_history(const std::string& url) {
  return std::make_unique<PostgresqlHistory>(url);
}

}  // namespace smaster::store
