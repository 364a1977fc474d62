// What every store promises, whichever it is: the embedded one, or the one that SMASTER_TEST_STORE names
// ("etcd://…", "postgresql://…"), which must be empty.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "store/copy.hpp"
#include "store/open.hpp"

namespace smaster::store {
namespace {

ShardName name(std::string_view text) { return *ShardName::parse_seat(text); }

std::string variable(const char* name) {
  const char* const text = std::getenv(name);
  return text == nullptr ? "" : text;
}
std::string url() { return variable("SMASTER_TEST_STORE"); }

/// A lease that no machine is so busy as to lose, where the test is not about that.
StoreOptions options(Millis lease = Millis{60'000}) {
  return {variable("SMASTER_TEST_STORE_CA"), "", "", lease};
}

class StoreConformance : public testing::Test {
 protected:
  StoreConformance() {
    std::string pattern = testing::TempDir() + "smaster-XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    reopen();
    const auto left = store_->load_registry();
    EXPECT_TRUE(left) << (left ? "" : left.error().message);
    std::vector<ShardName> names;
    if (left) {
      for (const auto& info : *left) names.push_back(info.id);
    }
    EXPECT_TRUE(store_->remove(names));
  }
  ~StoreConformance() override {
    close();
    std::filesystem::remove_all(folder_);
  }

  void close() {
    if (election_) election_->resign();
    election_.reset();
    store_.reset();
  }

  /// As a server that begins, and leads.
  void reopen() {
    close();
    if (url().empty()) {
      auto file = open_sqlite(folder_ / "s.db");
      ASSERT_TRUE(file);
      store_ = std::move(*file);
      return;
    }
    auto shared = open_shared(url(), options());
    ASSERT_TRUE(shared) << shared.error().message;
    store_ = std::move(shared->store);
    election_ = std::move(shared->election);
    const auto standing = election_->campaign({"test", "http://127.0.0.1:1", "0", {}, {}});
    ASSERT_TRUE(standing) << standing.error().message;
    ASSERT_TRUE(standing->leads);
  }

  [[nodiscard]] std::vector<fleet::ShardInfo> registry() const {
    auto shards = store_->load_registry();
    EXPECT_TRUE(shards) << (shards ? "" : shards.error().message);
    if (!shards) return {};
    std::sort(shards->begin(), shards->end(), [](const auto& a, const auto& b) { return a.id < b.id; });
    return std::move(*shards);
  }

  std::filesystem::path folder_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<Election> election_;
};

fleet::ShardInfo full_row() {
  fleet::ShardInfo info(name("abc-1"));
  info.key = "-----BEGIN PUBLIC KEY-----\n'\"é\n";
  info.is_master = true;
  info.last_seen = from_unix_ms(1'700'000'000'123);
  info.last_heartbeat = from_unix_ms(1'700'000'000'124);
  info.created_time = from_unix_ms(1);
  info.boot_time = from_unix_ms(2);
  info.stop_time = from_unix_ms(3);
  info.goal = {{ShardId{6}, ShardId{7}}, ShardCount{8}};
  info.current = {kNoShard, ShardCount{4}};
  info.may_run = {{ShardId{1}, ShardCount{4}}, {{ShardId{2}, ShardId{3}}, ShardCount{4}}};
  info.capacity = 4;
  info.host = "fra1";
  EXPECT_TRUE(info.used.insert(from_unix_ms(1'700'000'000'000), {}));
  EXPECT_TRUE(info.used.insert(from_unix_ms(1'700'000'000'500), from_unix_ms(1'700'000'000'100)));
  return info;
}

TEST_F(StoreConformance, RowsComeBackAsTheyWere) {
  auto info = full_row();
  ASSERT_TRUE(store_->save({info, fleet::ShardInfo(name("abd"))}));
  EXPECT_EQ(registry().size(), 2u);
  info.goal = {ShardId{6}, ShardCount{8}};
  ASSERT_TRUE(store_->save({info}));
  reopen();
  const auto shards = registry();
  ASSERT_EQ(shards.size(), 2u);
  EXPECT_EQ(shards.back(), info);
  EXPECT_EQ(shards.front(), fleet::ShardInfo(name("abd")));
}

TEST_F(StoreConformance, WhatIsRemovedIsGoneAndMayComeBack) {
  const auto info = full_row();
  ASSERT_TRUE(store_->save({info, fleet::ShardInfo(name("abd"))}));
  ASSERT_TRUE(store_->remove({info.id, name("zzz")}));
  EXPECT_EQ(registry().size(), 1u);
  ASSERT_TRUE(store_->save({info}));
  EXPECT_EQ(registry().size(), 2u);
}

TEST_F(StoreConformance, ManyRowsAtOnce) {
  std::vector<fleet::ShardInfo> shards;
  std::vector<ShardName> names;
  for (int i = 0; i < 2'345; ++i) {
    const auto letter = [](int n) { return static_cast<char>('a' + n % 26); };
    names.push_back(name(std::string{letter(i / 676), letter(i / 26), letter(i)}));
    shards.emplace_back(names.back());
    shards.back().key = std::string(800, letter(i));
  }
  ASSERT_TRUE(store_->save(shards));
  EXPECT_TRUE(store_->read_ahead());
  std::sort(shards.begin(), shards.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
  EXPECT_EQ(registry(), shards);
  names.erase(names.begin() + 2'000, names.end());
  ASSERT_TRUE(store_->remove(names));
  EXPECT_EQ(registry().size(), 345u);
}

TEST_F(StoreConformance, NotesAreTextsUnderNames) {
  ASSERT_TRUE(store_->save_note("target", "{\"count\":3}"));
  ASSERT_TRUE(store_->save_note("a note", "'é\n"));
  ASSERT_TRUE(store_->save_note("target", "{\"count\":4}"));
  reopen();
  EXPECT_EQ(*store_->load_note("target"), "{\"count\":4}");
  EXPECT_EQ(*store_->load_note("a note"), "'é\n");
  EXPECT_EQ(*store_->load_note("none"), "");
  EXPECT_EQ(*store_->notes(), (std::vector<std::string>{"a note", "target"}));
}

TEST_F(StoreConformance, ACopyHasTheSameChecksumAndGoesOnlyIntoAnEmptyStore) {
  ASSERT_TRUE(store_->save({full_row(), fleet::ShardInfo(name("abd"))}));
  ASSERT_TRUE(store_->save_note("target", "{}"));
  auto other = open_sqlite(folder_ / "other.db");
  ASSERT_TRUE(other);
  std::size_t last = 0;
  const auto progress = [&](std::size_t done, std::size_t) { last = done; };
  const auto there = copy(*store_, **other, progress);
  ASSERT_TRUE(there) << there.error().message;
  EXPECT_EQ(there->shards, 2u);
  EXPECT_EQ(last, there->shards + there->notes);
  const auto again = copy(*store_, **other, progress);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().kind, ErrorKind::not_permitted);
  // And back.
  ASSERT_TRUE(store_->remove({full_row().id, name("abd")}));
  const auto back = copy(**other, *store_, progress);
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(*back, *there);
}

/// Only where servers share the store.
using ElectionConformance = StoreConformance;

TEST_F(ElectionConformance, OneLeadsAndOnlyThatOneWrites) {
  auto other = open_shared(url(), options());
  ASSERT_TRUE(other);
  const Member second{"second", "http://127.0.0.1:2", "0", from_unix_ms(5), {}};
  const auto standing = other->election->campaign(second);
  ASSERT_TRUE(standing);
  EXPECT_FALSE(standing->leads);
  EXPECT_EQ(standing->leader.name, "test");
  EXPECT_EQ(other->store->save({full_row()}).error().kind, ErrorKind::not_permitted);
  ASSERT_TRUE(store_->save({full_row()}));
  EXPECT_TRUE(other->store->read_ahead());
  EXPECT_EQ(other->election->members()->size(), 2u);
  EXPECT_TRUE(election_->renew());

  election_->resign();
  auto changed = full_row();
  changed.host = "ams1";
  EXPECT_EQ(store_->save({changed}).error().kind, ErrorKind::not_permitted);
  EXPECT_EQ(store_->save_note("a", "b").error().kind, ErrorKind::not_permitted);
  EXPECT_EQ(election_->renew().error().kind, ErrorKind::not_permitted);
  EXPECT_TRUE(other->election->campaign(second)->leads);
  EXPECT_EQ(other->store->load_registry()->size(), 1u);
  EXPECT_TRUE(other->store->remove({full_row().id}));
  other->election->resign();
}

TEST_F(ElectionConformance, ALeaseThatIsNotRenewedEndsAndItsHolderCanWriteNoMore) {
  close();
  auto first = open_shared(url(), options(Millis{2'000}));
  auto second = open_shared(url(), options());
  const Member one{"one", "http://127.0.0.1:1", "0", {}, {}}, two{"two", "http://127.0.0.1:2", "0", {}, {}};
  ASSERT_TRUE(first->election->campaign(one)->leads);
  const auto begun = std::chrono::steady_clock::now();
  while (!second->election->campaign(two)->leads) {
    ASSERT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(30));
    second->election->wait(Millis{1'000});
  }
  EXPECT_GE(std::chrono::steady_clock::now() - begun, std::chrono::milliseconds(1'900));
  EXPECT_EQ(first->store->save({full_row()}).error().kind, ErrorKind::not_permitted);
  EXPECT_EQ(first->election->renew().error().kind, ErrorKind::not_permitted);
  EXPECT_TRUE(second->store->save({full_row()}));
  second->election->resign();
  reopen();
}

}  // namespace
}  // namespace smaster::store
