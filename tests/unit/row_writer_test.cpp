// Rows that are written while shards change and are revoked, with a store that fails, throws or is late.
#include "server/persistence/row_writer.hpp"

#include "fake_store.hpp"
#include "loop_fixture.hpp"

namespace smaster::server {
namespace {

using Does = FakeStore::Does;
using Words = std::vector<std::string>;

class Rows : public LoopTest {
 protected:
  Rows() {
    thread_.changed = [this](bool works, const std::string& text) {
      if (!works) alerts_.push_back(text);
    };
    thread_.deposed = [this](const std::string& why) { deposed_.push_back(why); };
  }
  ~Rows() override {
    store_.go_on();
    thread_.join();
  }

  static ShardName name(std::string_view text) { return *ShardName::parse_seat(text); }
  Shard& add(std::string_view who) { return *directory_.insert(fleet::ShardInfo(name(who))); }
  /// The shard's host, which stands for its whole row.
  std::string stored(std::string_view who) const {
    const auto row = store_.row(name(who));
    return row ? row->host : "none";
  }
  void change(Shard& shard, const std::string& host) {
    shard.info.host = host;
    rows_.save_soon(shard);
  }
  /// With a store that waits: until `meanwhile` has happened.
  Result<void> flush(const std::function<void()>& meanwhile = [] {}) {
    std::optional<Result<void>> flushed;
    spawn(rows_.flush(), flushed);
    poll();
    meanwhile();
    store_.go_on();
    run();
    return flushed.value_or(fail(ErrorKind::internal, "it has not ended"));
  }

  FakeStore store_;
  Directory directory_;
  StoreThread thread_{store_, store_};
  RowWriter rows_{context_, directory_, thread_, tasks_};
  Words alerts_;
  Words deposed_;
};

TEST_F(Rows, ARowThatIsNotWrittenStaysDirtyAndIsWrittenByTheNextFlush) {
  auto& shard = add("abc");
  for (const auto each : {Does::fails, Does::throws, Does::another_leads}) {
    const auto host = "host" + std::to_string(static_cast<int>(each));
    store_.next({each});
    change(shard, host);
    EXPECT_FALSE(flush());
    EXPECT_TRUE(shard.dirty);
    EXPECT_NE(stored("abc"), host);
    EXPECT_TRUE(flush());
    EXPECT_FALSE(shard.dirty);
    EXPECT_EQ(stored("abc"), host);
    const auto writes = store_.writes().size();
    EXPECT_TRUE(flush());
    EXPECT_EQ(store_.writes().size(), writes) << "nothing has changed since";
  }
}

TEST_F(Rows, AChangeDuringAFlushIsLeftToTheNextOne) {
  auto& shard = add("abc");
  change(shard, "before");
  store_.hold();
  EXPECT_TRUE(flush([&] { change(shard, "after"); }));
  EXPECT_EQ(stored("abc"), "before");
  EXPECT_TRUE(shard.dirty);
  EXPECT_TRUE(flush());
  EXPECT_EQ(stored("abc"), "after");
}

TEST_F(Rows, AChangeDuringAFlushThatFailsIsWrittenOnce) {
  auto& shard = add("abc");
  change(shard, "before");
  store_.hold();
  store_.next({Does::fails});
  EXPECT_FALSE(flush([&] { change(shard, "after"); }));
  EXPECT_TRUE(flush());
  EXPECT_EQ(store_.writes(), (Words{"save abc", "save abc"}));
  EXPECT_EQ(stored("abc"), "after");
}

TEST_F(Rows, OfManyRowsThoseBehindAFailureAreWrittenLaterAndTheOthersNotAgain) {
  const int count = 450;
  for (int i = 0; i < count; ++i) {
    const auto letter = [](int n) { return static_cast<char>('a' + n % 26); };
    change(add(std::string{letter(i / 26), letter(i), 'x'}), "host");
  }
  store_.next({Does::works, Does::fails});
  EXPECT_FALSE(flush());
  EXPECT_EQ(store_.rows(), 200U);
  EXPECT_EQ(store_.writes().size(), 2U) << "a store that fails is not tried again at once";
  EXPECT_TRUE(flush());
  EXPECT_EQ(store_.rows(), 450U);
  EXPECT_EQ(store_.writes().size(), 4U) << "250 rows were left, in two writes";
  for (const auto& [each, shard] : directory_.shards()) EXPECT_FALSE(shard.dirty) << each.str();
}

TEST_F(Rows, ARevokedShardThatWasDirtyIsNotWritten) {
  change(add("abc"), "host");
  change(add("abd"), "host");
  directory_.erase(*directory_.find(name("abc")));
  EXPECT_TRUE(flush());
  EXPECT_EQ(store_.writes(), Words{"save abd"});
}

TEST_F(Rows, AShardThatIsRevokedWhileItsRowIsWrittenIsNotBackInTheStore) {
  for (const auto each : {Does::works, Does::fails}) {
    change(add("abc"), "host");
    store_.hold();
    store_.next({each});
    std::optional<Result<void>> flushed;
    spawn(rows_.flush(), flushed);
    poll();
    directory_.erase(*directory_.find(name("abc")));
    std::optional<Result<void>> removed;
    const std::vector<ShardName> names{name("abc")};
    spawn(thread_.remove(names), removed);
    store_.go_on();
    run();
    EXPECT_TRUE(removed && *removed);
    EXPECT_TRUE(flush());
    EXPECT_EQ(stored("abc"), "none") << (each == Does::works ? "written" : "failed");
  }
}

TEST_F(Rows, ANameThatIsGivenToANewShardWhileTheOldRowFailsKeepsTheNewRow) {
  change(add("abc"), "old");
  store_.hold();
  store_.next({Does::fails});
  std::optional<Result<void>> flushed;
  spawn(rows_.flush(), flushed);
  poll();
  directory_.erase(*directory_.find(name("abc")));
  add("abc").info.host = "new";
  store_.go_on();
  run();
  EXPECT_TRUE(flush());
  EXPECT_EQ(stored("abc"), "new");
}

TEST_F(Rows, RowsThatAreWaitedForDuringAWriteAreWrittenTogether) {
  auto& shard = add("abc");
  add("abd");
  add("abe");
  shard.info.host = "before";
  std::optional<Result<void>> first, again, second, third;
  store_.hold();
  spawn(rows_.save_row(name("abc")), first);
  poll();
  shard.info.host = "after";
  spawn(rows_.save_row(name("abd")), second);
  spawn(rows_.save_row(name("abe")), third);
  spawn(rows_.save_row(name("abc")), again);
  poll();
  EXPECT_FALSE(first || again || second || third) << "nothing is persisted yet";
  store_.go_on();
  run();
  EXPECT_TRUE(first && *first && again && *again && second && *second && third && *third);
  EXPECT_EQ(store_.writes(), (Words{"save abc", "save abc abd abe"}));
  EXPECT_EQ(stored("abc"), "after");
}

TEST_F(Rows, OnlyThoseWhoseWriteFailedGetTheError) {
  add("abc").info.host = "host";
  add("abd").info.host = "host";
  for (const auto each : {Does::fails, Does::throws}) {
    std::optional<Result<void>> first, second;
    store_.hold();
    store_.next({each});
    spawn(rows_.save_row(name("abc")), first);
    poll();
    spawn(rows_.save_row(name("abd")), second);
    poll();
    store_.go_on();
    run();
    EXPECT_TRUE(first && !*first);
    EXPECT_TRUE(second && *second);
    EXPECT_TRUE(directory_.find(name("abc"))->dirty) << "the next flush tries again";
    EXPECT_FALSE(directory_.find(name("abd"))->dirty);
    EXPECT_TRUE(flush());
  }
}

TEST_F(Rows, ARowOfAShardThatWasRevokedBeforeItsTurnIsNotWritten) {
  add("abc");
  add("abd");
  std::optional<Result<void>> first, second;
  store_.hold();
  spawn(rows_.save_row(name("abc")), first);
  poll();
  spawn(rows_.save_row(name("abd")), second);
  directory_.erase(*directory_.find(name("abd")));
  store_.go_on();
  run();
  EXPECT_TRUE(second && *second) << "who waits is told in any case";
  EXPECT_FALSE(store_.row(name("abd")));
}

TEST_F(Rows, AFailureOfTheStoreIsSaidOnceUntilItWorksAgain) {
  auto& shard = add("abc");
  change(shard, "host");
  store_.next({Does::fails, Does::throws, Does::fails});
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(flush());
  ASSERT_EQ(alerts_.size(), 1U);
  EXPECT_TRUE(alerts_[0].starts_with("no disk. "));
  EXPECT_EQ(thread_.trouble(), "no disk");
  EXPECT_TRUE(flush());
  EXPECT_EQ(thread_.trouble(), "");
  EXPECT_EQ(alerts_.size(), 1U);
  change(shard, "another");
  store_.next({Does::throws});
  EXPECT_FALSE(flush());
  EXPECT_EQ(alerts_.size(), 2U);
  EXPECT_EQ(thread_.trouble(), "the store failed: no memory");
  EXPECT_TRUE(deposed_.empty());
}

TEST_F(Rows, EachWriteThatAnotherLeaderPreventsDeposesThisServer) {
  change(add("abc"), "host");
  store_.next({Does::another_leads, Does::another_leads});
  for (int i = 0; i < 2; ++i) EXPECT_FALSE(flush());
  EXPECT_EQ(deposed_, (Words{"another server leads", "another server leads"}));
}

}  // namespace
}  // namespace smaster::server
