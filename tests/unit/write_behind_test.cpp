// Rows and statuses that are written every second, while statuses arrive, shards are revoked, and the store
// fails or is late.
#include "server/persistence/write_behind.hpp"

#include "fake_store.hpp"
#include "loop_fixture.hpp"

namespace smaster::server {
namespace {

using Does = FakeStore::Does;
using Words = std::vector<std::string>;
using std::chrono::seconds;

class Behind : public LoopTest {
 protected:
  ~Behind() override {
    behind_.stop();
    store_.go_on();
    thread_.join();
    poll();
  }

  static ShardName name(std::string_view text) { return *ShardName::parse_seat(text); }
  Shard& add(std::string_view who) { return *directory_.insert(fleet::ShardInfo(name(who))); }
  /// A status with this ping, and a change of the row.
  void status(Shard& shard, double ping) {
    fleet::ShardStatus status;
    status.ping = ping;
    history_.add(shard, status);
    rows_.save_soon(shard);
  }
  void flush() {
    bool ended = false;
    spawn(behind_.flush(), ended);
    run();
    EXPECT_TRUE(ended);
  }
  /// The pings of the shard's statuses, from the store and from memory.
  std::vector<double> pings(std::string_view who) {
    std::optional<Result<std::vector<fleet::Sample>>> samples;
    spawn(history_.read(name(who), fleet::kNever), samples);
    run();
    std::vector<double> pings;
    EXPECT_TRUE(samples && *samples);
    if (samples && *samples) {
      for (const auto& sample : **samples) pings.push_back(sample.status.ping);
    }
    return pings;
  }
  /// What Registration::remove does.
  void revoke(std::string_view who) {
    const std::vector<ShardName> names{name(who)};
    history_.forget(names.front());
    directory_.erase(*directory_.find(names.front()));
    std::optional<Result<void>> removed;
    spawn(thread_.remove(names), removed);
    store_.go_on();
    run();
    EXPECT_TRUE(removed && *removed);
  }

  FakeStore store_;
  Settings settings_;
  Directory directory_;
  StoreThread thread_{store_, store_};
  RowWriter rows_{context_, directory_, thread_, tasks_};
  StatusHistory history_{settings_, thread_};
  Events events_;
  WriteBehind behind_{{context_, settings_, rows_, history_, events_, thread_, tasks_}};
};

TEST_F(Behind, StatusesThatAreNotWrittenAreReadFromMemoryAndWrittenLater) {
  auto& shard = add("abc");
  for (const auto each : {Does::fails, Does::throws}) {
    status(shard, 1);
    store_.next({Does::works, each});
    flush();
    const auto before = pings("abc");
    EXPECT_FALSE(before.empty());
    flush();
    EXPECT_EQ(pings("abc"), before) << "each is there once";
  }
  EXPECT_EQ(store_.blocks(name("abc")), 1U);
  EXPECT_EQ(pings("abc").size(), 2U);
}

TEST_F(Behind, RowsComeFirstAndStatusesWaitForThem) {
  status(add("abc"), 1);
  store_.next({Does::fails});
  flush();
  EXPECT_EQ(store_.writes(), Words{"save abc"}) << "a status of a shard that the store does not know";
  flush();
  EXPECT_EQ(store_.writes(), (Words{"save abc", "save abc", "history abc"}));
  EXPECT_EQ(pings("abc"), std::vector<double>{1});
}

TEST_F(Behind, AStatusDuringAWriteIsKeptWhetherThatWorksOrNot) {
  auto& shard = add("abc");
  double ping = 0;
  for (const auto each : {Does::works, Does::fails}) {
    status(shard, ++ping);
    store_.hold();
    store_.next({Does::works, each});
    bool ended = false;
    spawn(behind_.flush(), ended);
    poll();
    status(shard, ++ping);
    store_.go_on();
    run();
    std::vector<double> all;
    for (double i = 1; i <= ping; ++i) all.push_back(i);
    EXPECT_EQ(pings("abc"), all);
    flush();
    EXPECT_EQ(pings("abc"), all);
    const auto writes = store_.writes().size();
    flush();
    EXPECT_EQ(store_.writes().size(), writes);
  }
}

TEST_F(Behind, ReadingDuringAWriteFindsEachStatusOnce) {
  status(add("abc"), 1);
  store_.hold();
  bool ended = false;
  spawn(behind_.flush(), ended);
  std::optional<Result<std::vector<fleet::Sample>>> samples;
  spawn(history_.read(name("abc"), fleet::kNever), samples);  // waits behind the rows
  poll();
  store_.go_on();
  run();
  ASSERT_TRUE(samples && *samples);
  EXPECT_EQ((*samples)->size(), 1U);
}

TEST_F(Behind, StatusesOfAShardThatIsRevokedBeforeTheyAreWrittenAreNotLeftInTheStore) {
  status(add("abc"), 1);
  store_.hold();
  bool ended = false;
  spawn(behind_.flush(), ended);
  poll();  // the rows are being written, the statuses come next
  revoke("abc");
  EXPECT_EQ(store_.blocks(name("abc")), 0U);
  add("abc");
  EXPECT_TRUE(pings("abc").empty()) << "another shard's";
}

TEST_F(Behind, StatusesOfARevokedShardThatCouldNotBeWrittenAreNotWrittenLater) {
  status(add("abc"), 1);
  status(add("abd"), 2);
  store_.hold();
  store_.next({Does::fails});
  bool ended = false;
  spawn(behind_.flush(), ended);
  poll();
  revoke("abc");
  flush();
  EXPECT_EQ(store_.blocks(name("abc")), 0U);
  EXPECT_EQ(store_.blocks(name("abd")), 1U);
}

TEST_F(Behind, ItWritesEverySecondAlsoAfterAFailure) {
  auto& shard = add("abc");
  behind_.start();
  for (const auto each : {Does::works, Does::fails, Does::throws, Does::works}) {
    status(shard, 1);
    const auto before = store_.writes().size();
    store_.next({each});
    pass(seconds(1));
    run();
    EXPECT_GT(store_.writes().size(), before);
  }
  EXPECT_FALSE(shard.dirty);
  EXPECT_EQ(pings("abc").size(), 4U);
}

TEST_F(Behind, ALateWriteIsNotOvertakenByTheNextOne) {
  auto& shard = add("abc");
  status(shard, 1);
  behind_.start();
  store_.hold();
  pass(seconds(1));
  EXPECT_EQ(tasks_.running(), 1U);
  status(shard, 2);
  pass(seconds(5));
  EXPECT_EQ(tasks_.running(), 1U) << "one flush at a time";
  store_.go_on();
  run();
  pass(seconds(1));
  run();
  EXPECT_EQ(pings("abc"), (std::vector<double>{1, 2}));
}

TEST_F(Behind, NothingIsWrittenAfterItsEndThoughItEndedDuringAWrite) {
  auto& shard = add("abc");
  status(shard, 1);
  behind_.start();
  store_.hold();
  pass(seconds(1));
  behind_.stop();
  status(shard, 2);
  store_.go_on();
  run();
  const auto writes = store_.writes().size();
  pass(seconds(10));
  EXPECT_EQ(tasks_.running(), 0U);
  EXPECT_EQ(store_.writes().size(), writes);
  flush();  // the last one, at the end
  EXPECT_EQ(pings("abc"), (std::vector<double>{1, 2}));
}

}  // namespace
}  // namespace smaster::server
