// The store's promises, on the embedded one.
#include "store/store.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <soci/soci.h>
#include <soci/sqlite3/soci-sqlite3.h>

#include <algorithm>

namespace smaster::store {
namespace {

ShardName named(std::string_view text) { return *ShardName::parse(text); }

class SqliteStore : public testing::Test {
 protected:
  SqliteStore() {
    std::string pattern = testing::TempDir() + "smaster-XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
  }
  ~SqliteStore() override { std::filesystem::remove_all(folder_); }
  [[nodiscard]] std::unique_ptr<FileStore> open() const {
    auto store = open_sqlite(folder_ / "s.db");
    EXPECT_TRUE(store) << (store ? "" : store.error().message);
    return store ? std::move(*store) : nullptr;
  }
  std::filesystem::path folder_;
};

/// The history's tables as they were up to version 3, and no columns of later ones.
void unpack_history(soci::session& sql) {
  for (const char* const column : {"holder", "used"}) {
    sql << std::string("ALTER TABLE shards DROP COLUMN ") + column;
  }
  sql << "DROP TABLE history";
  sql << "DROP TABLE open_history";
  sql << "CREATE TABLE history (shard TEXT NOT NULL, at INTEGER NOT NULL, packed BLOB NOT NULL, "
         "PRIMARY KEY (at, shard)) WITHOUT ROWID";
}

TEST_F(SqliteStore, AStoreOfTheFirstVersionIsTakenOver) {
  fleet::ShardInfo info(named("abc"));
  info.goal = {ShardId{7}, ShardCount{9}};
  ASSERT_TRUE(open()->save({info}));
  {
    soci::session sql(soci::sqlite3, "dbname=" + (folder_ / "s.db").string());
    for (const char* const column : {"may_run", "goal", "current", "capacity", "host"}) {
      sql << std::string("ALTER TABLE shards DROP COLUMN ") + column;
    }
    sql << "DROP TABLE notes";
    unpack_history(sql);
    sql << "PRAGMA user_version = 1";
  }
  const auto shards = open()->load_registry();
  ASSERT_TRUE(shards);
  ASSERT_EQ(shards->size(), 1u);
  EXPECT_EQ(shards->front(), info);
}

TEST_F(SqliteStore, RegistrySurvivesReopening) {
  fleet::ShardInfo info(named("abc"));
  info.key = "-----BEGIN PUBLIC KEY-----\n'\"é\n";
  info.is_master = true;
  info.last_seen = from_unix_ms(1'700'000'000'123);
  info.goal = {{ShardId{6}, ShardId{7}}, ShardCount{8}};
  info.may_run = {{ShardId{1}, ShardCount{4}}};
  info.capacity = 4;
  info.host = "fra1";
  EXPECT_TRUE(info.used.insert(from_unix_ms(1'700'000'000'000), {}));
  ASSERT_TRUE(open()->save({info, fleet::ShardInfo(named("abd"))}));
  info.goal = {ShardId{6}, ShardCount{8}};
  ASSERT_TRUE(open()->save({info}));
  auto shards = open()->load_registry();
  ASSERT_TRUE(shards);
  ASSERT_EQ(shards->size(), 2u);
  std::sort(shards->begin(), shards->end(), [](const auto& a, const auto& b) { return a.id < b.id; });
  EXPECT_EQ(shards->front(), info);
}

fleet::SampleBlock block(std::string_view shard, int first, int last, std::string packed, bool full) {
  return {named(shard), from_unix_ms(first), from_unix_ms(last), std::move(packed), full};
}

/// "first:bytes" of each of the shard's blocks, in their order.
std::vector<std::string> blocks(HistoryStore& store, std::string_view shard, int since = 0) {
  auto found = store.load_history(named(shard), from_unix_ms(since));
  EXPECT_TRUE(found);
  std::sort(found->begin(), found->end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<std::string> texts;
  for (const auto& block : *found) {
    texts.push_back(std::to_string(to_unix_ms(block.first)) + (block.full ? ":" : "+") + block.packed);
  }
  return texts;
}

using Texts = std::vector<std::string>;

TEST_F(SqliteStore, HistoryComesBackByTimeAndWhatIsOldGoes) {
  const std::string bytes("\0\x01\xFFx\0", 5);
  ASSERT_TRUE(open()->save_history({block("abc", 10, 12, "old", true), block("abc", 20, 22, bytes, true),
                                    block("abd", 5, 7, "old", false), block("abd", 30, 30, "", true)},
                                   from_unix_ms(0)));
  const auto store = open();
  EXPECT_EQ(blocks(*store, "abc"), (Texts{"10:old", "20:" + bytes}));
  EXPECT_EQ(blocks(*store, "abc", 12), (Texts{"20:" + bytes}));
  EXPECT_EQ(blocks(*store, "abd"), (Texts{"5+old", "30:"}));
  ASSERT_TRUE(store->save_history({}, from_unix_ms(15)));
  EXPECT_EQ(blocks(*store, "abc"), (Texts{"20:" + bytes}));
  EXPECT_EQ(blocks(*store, "abd"), (Texts{"30:"}));
  ASSERT_TRUE(store->forget({named("abc")}));
  EXPECT_EQ(blocks(*store, "abc"), Texts{});
}

TEST_F(SqliteStore, AnOpenBlockGrowsAndIsKeptWhenItsServerIsGone) {
  const auto store = open();
  ASSERT_TRUE(store->save_history({block("abc", 10, 10, "a", false)}, from_unix_ms(0)));
  ASSERT_TRUE(store->save_history({block("abc", 10, 11, "ab", false)}, from_unix_ms(0)));
  EXPECT_EQ(blocks(*store, "abc"), Texts{"10+ab"});
  // Full, and the next one begun, between two writes.
  ASSERT_TRUE(store->save_history({block("abc", 10, 12, "abc", true), block("abc", 13, 13, "d", false)},
                                  from_unix_ms(0)));
  EXPECT_EQ(blocks(*store, "abc"), (Texts{"10:abc", "13+d"}));
  // Another server begins anew.
  ASSERT_TRUE(store->save_history({block("abc", 20, 20, "e", false)}, from_unix_ms(0)));
  EXPECT_EQ(blocks(*store, "abc"), (Texts{"10:abc", "13:d", "20+e"}));
}

TEST_F(SqliteStore, EventsComeBackByQueryAndTheOldGo) {
  using fleet::EventKind;
  const auto event = [](EventKind kind, std::int64_t ms, const std::string& shard, const std::string& ids) {
    fleet::Event made{kind, "text 'of' it"};
    made.shard = shard;
    made.ids = ids;
    made.id = fleet::first_event_id(from_unix_ms(ms));
    return made;
  };
  const auto first = event(EventKind::died, 10, "abc", "3,14"), second = event(EventKind::eval, 20, "", ""),
             third = event(EventKind::parked, 30, "abd", "1");
  ASSERT_TRUE(open()->save_events({first, second, third}, from_unix_ms(0), 10));
  const auto store = open();
  ASSERT_TRUE(store->save_events({third}, from_unix_ms(0), 10)) << "one that is there already";
  const auto found = [&store](const fleet::EventQuery& query) { return *store->load_events(query); };
  using Events = std::vector<fleet::Event>;
  EXPECT_EQ(found({}), (Events{first, second, third}));
  fleet::EventQuery query;
  query.limit = 2;
  EXPECT_EQ(found(query), (Events{second, third}));
  query = {};
  query.id = ShardId{1};
  EXPECT_EQ(found(query), Events{third});
  query.id = ShardId{14};
  EXPECT_EQ(found(query), Events{first});
  query = {};
  query.shard = "abd";
  EXPECT_EQ(found(query), Events{third});
  query = {};
  query.kinds = {EventKind::died, EventKind::eval};
  EXPECT_EQ(found(query), (Events{first, second}));
  query = {};
  query.audit = true;
  EXPECT_EQ(found(query), Events{second});
  query = {};
  query.after = first.id;
  EXPECT_EQ(found(query), (Events{second, third}));
  ASSERT_TRUE(store->save_events({}, from_unix_ms(15), 10));
  EXPECT_EQ(found({}), (Events{second, third}));
  ASSERT_TRUE(store->save_events({}, from_unix_ms(0), 1));
  EXPECT_EQ(found({}), Events{third});
}

TEST_F(SqliteStore, HistoryOfAnOlderVersionIsPacked) {
  ASSERT_TRUE(open());
  {
    soci::session sql(soci::sqlite3, "dbname=" + (folder_ / "s.db").string());
    unpack_history(sql);
    // Two numbers (timestamp 1 and 2, start time -3), fourteen noughts, ping 1.5, one load of 0.5.
    const std::string rest = "05" + std::string(28, '0') + "0000C03F" + "0000003F";
    for (int n = 1; n <= 2; ++n) {
      sql << "INSERT INTO history VALUES ('abc', " + std::to_string(100 * n) + ", x'0" +
                 std::to_string(2 * n) + rest + "')";
    }
    sql << "INSERT INTO history VALUES ('abd', 150, x'02" + rest + "')";
    sql << "PRAGMA user_version = 3";
  }
  const auto found = open()->load_history(named("abc"), fleet::kNever);
  ASSERT_TRUE(found);
  const auto samples = fleet::merge(*found, fleet::kNever);
  ASSERT_EQ(samples.size(), 2u);
  EXPECT_EQ(samples[1].at, from_unix_ms(200));
  EXPECT_EQ(samples[1].status.timestamp, from_unix_ms(2));
  EXPECT_EQ(samples[1].status.start_time, from_unix_ms(-3));
  EXPECT_EQ(samples[1].status.ping, 1.5);
  EXPECT_EQ(samples[1].status.cpu_load, std::vector<double>{0.5});
  EXPECT_EQ(fleet::merge(*open()->load_history(named("abd"), fleet::kNever), fleet::kNever).size(), 1u);
}

TEST_F(SqliteStore, FilesAreForTheirOwnerAlone) {
  const auto store = open();
  ASSERT_TRUE(store->save({fleet::ShardInfo(named("abc"))}));
  for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
    struct stat info {};
    ASSERT_EQ(::stat(entry.path().c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0600u) << entry.path();
  }
}

TEST_F(SqliteStore, AFileThatIsNoDatabaseIsRefusedWithItsName) {
  const auto path = folder_ / "s.db";
  std::FILE* const file = std::fopen(path.c_str(), "w");
  ASSERT_NE(file, nullptr);
  std::fputs("this is not a database, and it is long enough to be looked at as one by its header", file);
  std::fclose(file);
  const auto store = open_sqlite(path);
  ASSERT_FALSE(store);
  EXPECT_NE(store.error().message.find("s.db"), std::string::npos);
}

}  // namespace
}  // namespace smaster::store
