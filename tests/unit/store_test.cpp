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

ShardName name(std::string_view text) { return *ShardName::parse(text); }

class SqliteStore : public testing::Test {
 protected:
  SqliteStore() {
    std::string pattern = testing::TempDir() + "smaster-XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
  }
  ~SqliteStore() override { std::filesystem::remove_all(folder_); }
  [[nodiscard]] std::unique_ptr<Store> open() const {
    auto store = open_sqlite(folder_ / "s.db");
    EXPECT_TRUE(store) << (store ? "" : store.error().message);
    return store ? std::move(*store) : nullptr;
  }
  std::filesystem::path folder_;
};

TEST_F(SqliteStore, AStoreOfTheFirstVersionIsTakenOver) {
  fleet::ShardInfo info(name("abc"));
  info.goal = {ShardId{7}, ShardCount{9}};
  ASSERT_TRUE(open()->save({info}));
  {
    soci::session sql(soci::sqlite3, "dbname=" + (folder_ / "s.db").string());
    for (const char* const column : {"may_run", "goal", "current", "capacity", "host"}) {
      sql << std::string("ALTER TABLE shards DROP COLUMN ") + column;
    }
    sql << "DROP TABLE notes";
    sql << "PRAGMA user_version = 1";
  }
  const auto shards = open()->load_registry();
  ASSERT_TRUE(shards);
  ASSERT_EQ(shards->size(), 1u);
  EXPECT_EQ(shards->front(), info);
}

TEST_F(SqliteStore, RegistrySurvivesReopening) {
  fleet::ShardInfo info(name("abc"));
  info.key = "-----BEGIN PUBLIC KEY-----\n'\"é\n";
  info.is_master = true;
  info.last_seen = from_unix_ms(1'700'000'000'123);
  info.goal = {{ShardId{6}, ShardId{7}}, ShardCount{8}};
  info.may_run = {{ShardId{1}, ShardCount{4}}};
  info.capacity = 4;
  info.host = "fra1";
  ASSERT_TRUE(open()->save({info, fleet::ShardInfo(name("abd"))}));
  info.goal = {ShardId{6}, ShardCount{8}};
  ASSERT_TRUE(open()->save({info}));
  auto shards = open()->load_registry();
  ASSERT_TRUE(shards);
  ASSERT_EQ(shards->size(), 2u);
  std::sort(shards->begin(), shards->end(), [](const auto& a, const auto& b) { return a.id < b.id; });
  EXPECT_EQ(shards->front(), info);
}

TEST_F(SqliteStore, HistoryComesBackByTimeAndOldSamplesGo) {
  const std::string bytes("\0\x01\xFFx\0", 5);
  {
    const auto store = open();
    ASSERT_TRUE(store->append_history(
        {{name("abc"), from_unix_ms(10), "old"}, {name("abc"), from_unix_ms(20), bytes}}, from_unix_ms(0)));
    ASSERT_TRUE(store->append_history({{name("abd"), from_unix_ms(30), ""}}, from_unix_ms(15)));
  }
  const auto samples = open()->load_history(from_unix_ms(0));
  ASSERT_TRUE(samples);
  ASSERT_EQ(samples->size(), 2u);
  EXPECT_EQ(samples->front().packed, bytes);
  EXPECT_EQ(open()->load_history(from_unix_ms(20))->size(), 1u);
}

TEST_F(SqliteStore, FilesAreForTheirOwnerAlone) {
  const auto store = open();
  ASSERT_TRUE(store->save({fleet::ShardInfo(name("abc"))}));
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
