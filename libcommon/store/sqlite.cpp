#include <soci/soci.h>
#include <soci/sqlite3/soci-sqlite3.h>
#include <sys/stat.h>

#include <exception>
#include <string>
#include <utility>
#include <vector>

#include "store/event_rows.hpp"
#include "store/failure.hpp"
#include "store/store.hpp"

namespace smaster::store {
namespace {

/// Increased when the tables change; `migrate` upgrades older files.
constexpr int kSchemaVersion = 6;
/// Blocks per write while the history of an older version is converted.
constexpr std::size_t kBlocksAtOnce = 1000;

/// A registry row in the types that SOCI binds.
struct Row {
  std::string name;
  std::string key;
  int is_master = 0;
  long long last_seen = 0, last_heartbeat = 0, created = 0, boot = 0, stop = 0;
  int goal_id = -1, current_id = -1, goal_count = -1, current_count = -1;
  std::string may_run;
  std::string goal, current;  // text of all ids of an assignment
  int capacity = 1;
  std::string host;
  std::string holder;
  std::string used;

  void set(const fleet::ShardInfo& info) {
    name = info.id.str();
    key = info.key;
    is_master = info.is_master ? 1 : 0;
    last_seen = to_unix_ms(info.last_seen);
    last_heartbeat = to_unix_ms(info.last_heartbeat);
    created = to_unix_ms(info.created_time);
    boot = to_unix_ms(info.boot_time);
    stop = to_unix_ms(info.stop_time);
    goal_id = info.goal.first().value;
    current_id = info.current.first().value;
    goal_count = info.goal.count.value;
    current_count = info.current.count.value;
    may_run = fleet::to_text(info.may_run);
    goal = fleet::to_text({info.goal});
    current = fleet::to_text({info.current});
    capacity = static_cast<int>(info.capacity);
    host = info.host;
    holder = fleet::to_text(info.holder);
    used = info.used.text();
  }

  [[nodiscard]] std::optional<fleet::ShardInfo> get() const {
    auto id = ShardName::parse_seat(name);
    if (!id) return std::nullopt;
    fleet::ShardInfo info(std::move(*id));
    info.key = key;
    info.is_master = is_master != 0;
    info.last_seen = from_unix_ms(last_seen);
    info.last_heartbeat = from_unix_ms(last_heartbeat);
    info.created_time = from_unix_ms(created);
    info.boot_time = from_unix_ms(boot);
    info.stop_time = from_unix_ms(stop);
    info.goal = assignment(goal, goal_id, goal_count);
    info.current = assignment(current, current_id, current_count);
    info.may_run = fleet::parse_assignments(may_run);
    info.capacity = static_cast<std::uint32_t>(std::max(capacity, 1));
    info.host = host;
    info.holder = fleet::parse_holder(holder);
    info.used = fleet::UsedTimes::parse(used);
    return info;
  }

  /// Rows of schema version 2 have no text of their assignments, only one id and count.
  static fleet::Assignment assignment(const std::string& text, int id, int count) {
    auto assignments = fleet::parse_assignments(text);
    return assignments.empty() ? fleet::Assignment(ShardId{id}, ShardCount{count})
                               : std::move(assignments.front());
  }
};

class SqliteStore final : public FileStore {
 public:
  explicit SqliteStore(const std::filesystem::path& file)
      : file_(file), sql_(soci::sqlite3, "dbname=\"" + file.string() + "\" timeout=5") {
    auto* const backend = static_cast<soci::sqlite3_session_backend*>(sql_.get_backend());
    if (sqlite_api::sqlite3_db_readonly(backend->conn_, "main") != 0) {
      throw soci::soci_error("it cannot be written");  // SQLite would open the file read-only and stay so
    }
    // With a write-ahead log, FULL makes every commit durable, and readers never block.
    std::string mode;
    sql_ << "PRAGMA journal_mode=WAL", soci::into(mode);
    sql_ << "PRAGMA synchronous=FULL";
    migrate();
  }

  Result<std::vector<fleet::ShardInfo>> load_registry() override {
    return guard<std::vector<fleet::ShardInfo>>("read the registry", [&] {
      std::vector<fleet::ShardInfo> shards;
      Row r;
      soci::statement select =
          (sql_.prepare
               << "SELECT name, key, is_master, last_seen, last_heartbeat, created_time, boot_time, "
                  "stop_time, goal_shard_id, current_shard_id, goal_shard_count, current_shard_count, "
                  "may_run, goal, current, capacity, host, holder, used FROM shards",
           soci::into(r.name), soci::into(r.key), soci::into(r.is_master), soci::into(r.last_seen),
           soci::into(r.last_heartbeat), soci::into(r.created), soci::into(r.boot), soci::into(r.stop),
           soci::into(r.goal_id), soci::into(r.current_id), soci::into(r.goal_count),
           soci::into(r.current_count), soci::into(r.may_run), soci::into(r.goal), soci::into(r.current),
           soci::into(r.capacity), soci::into(r.host), soci::into(r.holder), soci::into(r.used));
      select.execute();
      while (select.fetch()) {
        if (auto info = r.get()) shards.push_back(std::move(*info));
      }
      return shards;
    });
  }

  Result<void> save(const std::vector<fleet::ShardInfo>& shards) override {
    return guard<void>("write the registry", [&] {
      soci::transaction transaction(sql_);
      Row r;
      soci::statement insert =
          (sql_.prepare
               << "INSERT OR REPLACE INTO shards VALUES (:name, :key, :master, :seen, :heartbeat, :created, "
                  ":boot, :stop, :goal_id, :current_id, :goal_count, :current_count, :may_run, :goal, "
                  ":current, :capacity, :host, :holder, :used)",
           soci::use(r.name), soci::use(r.key), soci::use(r.is_master), soci::use(r.last_seen),
           soci::use(r.last_heartbeat), soci::use(r.created), soci::use(r.boot), soci::use(r.stop),
           soci::use(r.goal_id), soci::use(r.current_id), soci::use(r.goal_count), soci::use(r.current_count),
           soci::use(r.may_run), soci::use(r.goal), soci::use(r.current), soci::use(r.capacity),
           soci::use(r.host), soci::use(r.holder), soci::use(r.used));
      for (const auto& shard : shards) {
        r.set(shard);
        insert.execute(true);
      }
      transaction.commit();
    });
  }

  Result<std::vector<std::string>> notes() override {
    return guard<std::vector<std::string>>("read", [&] {
      const soci::rowset<std::string> rows = (sql_.prepare << "SELECT name FROM notes ORDER BY name");
      return std::vector<std::string>(rows.begin(), rows.end());
    });
  }

  Result<std::string> load_note(const std::string& name) override {
    return guard<std::string>("read", [&] {
      std::string text;
      sql_ << "SELECT text FROM notes WHERE name = :name", soci::use(name), soci::into(text);
      return text;
    });
  }

  Result<void> save_note(const std::string& name, const std::string& text) override {
    return guard<void>("write", [&] {
      sql_ << "INSERT OR REPLACE INTO notes VALUES (:name, :text)", soci::use(name), soci::use(text);
    });
  }

  Result<std::vector<fleet::SampleBlock>> load_history(const ShardName& shard, Time since) override {
    return guard<std::vector<fleet::SampleBlock>>("read the history", [&] {
      std::vector<fleet::SampleBlock> blocks;
      const auto& name = shard.str();
      const long long from = to_unix_ms(since);
      long long first = 0, last = 0;
      int full = 0;
      soci::blob packed(sql_);
      soci::statement select =
          (sql_.prepare
               << "SELECT first, last, packed, 1 FROM history WHERE shard = :shard AND last > :since "
                  "UNION ALL SELECT first, last, packed, 0 FROM open_history WHERE shard = :shard AND "
                  "last > :since",
           soci::into(first), soci::into(last), soci::into(packed), soci::into(full),
           soci::use(name, "shard"), soci::use(from, "since"));
      select.execute();
      while (select.fetch()) {
        blocks.push_back({shard, from_unix_ms(first), from_unix_ms(last), bytes(packed), full != 0});
      }
      return blocks;
    });
  }

  Result<void> remove(const std::vector<ShardName>& shards) override {
    return guard<void>("forget shards", [&] {
      soci::transaction transaction(sql_);
      for (const auto& shard : shards) {
        sql_ << "DELETE FROM shards WHERE name = :name", soci::use(shard.str());
      }
      transaction.commit();
    });
  }

  Result<void> forget(const std::vector<ShardName>& shards) override {
    return guard<void>("forget shards' history", [&] {
      soci::transaction transaction(sql_);
      for (const auto& shard : shards) {
        const auto& name = shard.str();
        sql_ << "DELETE FROM history WHERE shard = :name", soci::use(name);
        sql_ << "DELETE FROM open_history WHERE shard = :name", soci::use(name);
      }
      transaction.commit();
    });
  }

  Result<void> save_history(const std::vector<fleet::SampleBlock>& blocks, Time oldest) override {
    return guard<void>("write the history", [&] {
      soci::transaction transaction(sql_);
      write_blocks(blocks);
      const long long before = to_unix_ms(oldest);
      sql_ << "DELETE FROM history WHERE last < :before", soci::use(before);
      sql_ << "DELETE FROM open_history WHERE last < :before", soci::use(before);
      transaction.commit();
    });
  }

  Result<std::vector<fleet::Event>> load_events(const fleet::EventQuery& query) override {
    return guard<std::vector<fleet::Event>>("read the events",
                                            [&] { return select_events(sql_, "events", query); });
  }

  Result<void> save_events(const std::vector<fleet::Event>& events, Time oldest, std::size_t most) override {
    return guard<void>("write the events", [&] {
      soci::transaction transaction(sql_);
      insert_events(sql_, "events", events);
      delete_events(sql_, "events", oldest, most);
      transaction.commit();
    });
  }

 private:
  void migrate() {
    int version = 0;
    sql_ << "PRAGMA user_version", soci::into(version);
    if (version > kSchemaVersion) {
      throw soci::soci_error("it was written by a newer version of smaster (schema " +
                             std::to_string(version) + ", this one knows " + std::to_string(kSchemaVersion) +
                             ")");
    }
    if (version == kSchemaVersion) return;
    soci::transaction transaction(sql_);
    if (version < 1) create_first_schema();
    if (version < 2) sql_ << "ALTER TABLE shards ADD COLUMN may_run TEXT NOT NULL DEFAULT ''";
    if (version < 3) add_roles_and_notes();
    if (version < 4) pack_history();
    if (version < 5) {
      sql_ << "ALTER TABLE shards ADD COLUMN holder TEXT NOT NULL DEFAULT ''";
      sql_ << "ALTER TABLE shards ADD COLUMN used TEXT NOT NULL DEFAULT ''";
    }
    sql_ << events_table("events");
    sql_ << "PRAGMA user_version = " + std::to_string(kSchemaVersion);
    transaction.commit();
  }

  void create_first_schema() {
    sql_ << "CREATE TABLE shards (name TEXT PRIMARY KEY, key TEXT NOT NULL, is_master INTEGER NOT NULL, "
            "last_seen INTEGER NOT NULL, last_heartbeat INTEGER NOT NULL, created_time INTEGER NOT NULL, "
            "boot_time INTEGER NOT NULL, stop_time INTEGER NOT NULL, goal_shard_id INTEGER NOT NULL, "
            "current_shard_id INTEGER NOT NULL, goal_shard_count INTEGER NOT NULL, "
            "current_shard_count INTEGER NOT NULL)";
    sql_ << "CREATE TABLE history (shard TEXT NOT NULL, at INTEGER NOT NULL, packed BLOB NOT NULL, "
            "PRIMARY KEY (at, shard)) WITHOUT ROWID";
  }

  void add_roles_and_notes() {
    for (const char* const column :
         {"goal TEXT NOT NULL DEFAULT ''", "current TEXT NOT NULL DEFAULT ''",
          "capacity INTEGER NOT NULL DEFAULT 1", "host TEXT NOT NULL DEFAULT ''"}) {
      sql_ << std::string("ALTER TABLE shards ADD COLUMN ") + column;
    }
    sql_ << "CREATE TABLE notes (name TEXT PRIMARY KEY, text TEXT NOT NULL)";
  }

  /// Converts the history of schema version 3, which had one row per sample. Full blocks are written at the
  /// end of the table and never change; the open ones are few and small.
  void pack_history() {
    sql_ << "ALTER TABLE history RENAME TO samples";
    sql_ << "CREATE TABLE history (shard TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, "
            "packed BLOB NOT NULL)";
    sql_ << "CREATE UNIQUE INDEX history_shard ON history (shard, first)";
    sql_ << "CREATE INDEX history_last ON history (last)";
    sql_ << "CREATE TABLE open_history (shard TEXT PRIMARY KEY, first INTEGER NOT NULL, "
            "last INTEGER NOT NULL, packed BLOB NOT NULL) WITHOUT ROWID";
    std::string name;
    long long at = 0;
    soci::blob packed(sql_);
    soci::statement select = (sql_.prepare << "SELECT shard, at, packed FROM samples ORDER BY shard, at",
                              soci::into(name), soci::into(at), soci::into(packed));
    select.execute();
    std::optional<fleet::OpenBlock> open;
    std::string open_name;
    std::vector<fleet::SampleBlock>
        full;  // written in batches, since every call of write_blocks prepares all of its statements
    const auto close = [&] {
      if (open) full.push_back(open->block(true));
    };
    while (select.fetch()) {
      if (name != open_name) {
        close();
        open_name = name;
        const auto shard = ShardName::parse_seat(name);
        open.reset();
        if (shard) open.emplace(*shard);
      }
      if (!open) continue;
      auto block = open->add(from_unix_ms(at), fleet::unpack_lone(bytes(packed)));
      if (block) full.push_back(std::move(*block));
      if (full.size() >= kBlocksAtOnce) write_blocks(std::exchange(full, {}));
    }
    close();
    write_blocks(full);
    sql_ << "DROP TABLE samples";
  }

  void write_blocks(const std::vector<fleet::SampleBlock>& blocks) {
    std::string name;
    long long first = 0, last = 0;
    soci::blob packed(sql_);
    using soci::use;
    soci::statement finish = (sql_.prepare << "INSERT OR REPLACE INTO history VALUES (:shard, :first, :last, "
                                              ":packed)",
                              use(name), use(first), use(last), use(packed));
    soci::statement close =
        (sql_.prepare << "DELETE FROM open_history WHERE shard = :shard AND first = :first", use(name),
         use(first));
    // Moves a block that an earlier run of the server left open to the full blocks.
    soci::statement keep =
        (sql_.prepare << "INSERT OR REPLACE INTO history SELECT * FROM open_history WHERE shard = :shard AND "
                         "first <> :first",
         use(name), use(first));
    soci::statement begin = (sql_.prepare << "INSERT OR REPLACE INTO open_history VALUES (:shard, :first, "
                                             ":last, :packed)",
                             use(name), use(first), use(last), use(packed));
    soci::statement grow =
        (sql_.prepare << "UPDATE open_history SET last = :last, packed = :packed WHERE shard "
                         "= :shard AND first = :first",
         use(last), use(packed), use(name), use(first));
    for (const auto& block : blocks) {
      name = block.shard.str();
      first = to_unix_ms(block.first);
      last = to_unix_ms(block.last);
      packed.trim(0);
      packed.append(block.packed.data(), block.packed.size());
      if (block.full) {
        finish.execute(true);
        close.execute(true);
      } else if (grow.execute(true); grow.get_affected_rows() == 0) {
        keep.execute(true);
        begin.execute(true);
      }
    }
  }

  static std::string bytes(soci::blob& blob) {
    std::string bytes(blob.get_len(), '\0');
    if (!bytes.empty()) blob.read(0, bytes.data(), bytes.size());
    return bytes;
  }

  /// Turns SOCI's exceptions into error values.
  template <class T, class Work>
  Result<T> guard(const char* what, Work work) {
    try {
      if constexpr (std::is_void_v<T>) {
        work();
        return {};
      } else {
        return work();
      }
    } catch (const std::exception& e) {
      return file_error(std::string(what) + " in", file_, e);
    }
  }

  std::filesystem::path file_;
  soci::session sql_;
};

}  // namespace

Result<std::unique_ptr<FileStore>> open_sqlite(const std::filesystem::path& file) {
  const mode_t before =
      ::umask(0077);  // the file and its log must never be readable by others, not even for a moment
  try {
    auto store = std::make_unique<SqliteStore>(file);
    ::umask(before);
    return std::unique_ptr<FileStore>(std::move(store));
  } catch (const std::exception& e) {
    ::umask(before);
    return file_error("open the store", file, e);
  }
}

}  // namespace smaster::store
