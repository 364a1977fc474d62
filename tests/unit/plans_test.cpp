// Assignments, whose shards are told only what is persisted: the store fails or is late, and shards leave,
// are revoked or replaced while it writes.
#include "server/planning/plans.hpp"

#include "fleet_fixture.hpp"

namespace smaster::server {
namespace {

using Does = FakeStore::Does;
using std::chrono::seconds;

constexpr const char* kFirst = R"(["update",{"id":0,)";

class PersistedAssignments : public FleetTest {
 protected:
  /// A server for one id, whose store writes when the test lets it.
  void command_one(std::initializer_list<std::string_view> shards) {
    server_->settings.count = ShardCount{1};
    std::vector<fleet::ShardInfo> all;
    for (const auto who : shards) all.push_back(info(who));
    know(std::move(all));
    server_->start();
    settle();
    fake().hold();
    for (const auto who : shards) connect(who);
    pass(Plans::kPlanDelay);
  }
  void go_on() {
    fake().go_on();
    settle();
  }
  void status(std::string_view who, int id) { peer(who).says(status_text(id, id < 0 ? -1 : 1, 1)); }
};

TEST_F(PersistedAssignments, AShardIsToldItsIdWhenThatIsPersisted) {
  command_one({"abc"});
  EXPECT_EQ(shard("abc").info.goal.first(), ShardId{0});
  EXPECT_FALSE(peer("abc").link.has(kFirst));
  EXPECT_FALSE(fake().row(name("abc")));
  go_on();
  EXPECT_TRUE(peer("abc").link.has(kFirst));
  ASSERT_TRUE(fake().row(name("abc")));
  EXPECT_EQ(fake().row(name("abc"))->goal.first(), ShardId{0});
}

TEST_F(PersistedAssignments, AnIdThatCannotBePersistedIsToldOnceTheStoreWorks) {
  command_one({"abc"});
  std::deque<Does> failures;
  for (int i = 0; i < 50; ++i) failures.push_back(i % 2 == 0 ? Does::fails : Does::throws);
  fake().next(failures);
  go_on();
  for (int i = 0; i < 3; ++i) {
    pass(seconds(1));
    settle();
    EXPECT_FALSE(peer("abc").link.has(kFirst)) << i;
  }
  fake().next({});
  pass(seconds(1));
  settle();
  EXPECT_EQ(peer("abc").link.count(kFirst), 1U);
}

TEST_F(PersistedAssignments, AShardThatIsRevokedWhileItsIdIsPersistedIsNotTold) {
  command_one({"abc"});
  Result<void> removed;
  spawn(registration().remove({name("abc")}), removed);
  fake().go_on();
  run();
  settle();
  EXPECT_TRUE(removed);
  EXPECT_TRUE(peer("abc").link.closed);
  EXPECT_FALSE(peer("abc").link.has(kFirst));
  EXPECT_FALSE(fake().row(name("abc"))) << "it would be back after a restart";
}

TEST_F(PersistedAssignments, AnIdOfARevokedShardGoesToAnotherOneWhoseRowIsPersistedFirst) {
  command_one({"abc", "abd"});
  const bool first = shard("abc").info.goal.bound();
  const std::string who = first ? "abc" : "abd";
  const std::string other = first ? "abd" : "abc";
  Result<void> removed;
  spawn(registration().remove({name(who)}), removed);
  pass(Plans::kPlanDelay);
  EXPECT_FALSE(peer(other).link.has(kFirst));
  fake().go_on();
  run();
  pass(Plans::kPlanDelay);
  settle();
  EXPECT_TRUE(peer(other).link.has(kFirst));
  EXPECT_FALSE(peer(who).link.has(kFirst));
  EXPECT_FALSE(fake().row(name(who)));
}

TEST_F(PersistedAssignments, AShardThatReturnsWhileItsIdIsPersistedIsToldOnItsNewConnection) {
  command_one({"abc"});
  leave(peer("abc"));
  connect("abc");
  pass(Plans::kPlanDelay);
  EXPECT_FALSE(peer("abc").link.has(kFirst));
  go_on();
  EXPECT_TRUE(peer("abc").link.has(kFirst));
}

TEST_F(PersistedAssignments, AShardThatHasLeftWhenItsIdIsPersistedIsToldWhenItReturns) {
  command_one({"abc"});
  leave(peer("abc"));
  go_on();
  pass(Plans::kPlanDelay);
  settle();
  auto& back = connect("abc");
  pass(Plans::kPlanDelay);
  settle();
  EXPECT_TRUE(back.link.has(kFirst));
}

TEST_F(PersistedAssignments, NothingIsToldAfterTheServersEnd) {
  command_one({"abc"});
  server_->sender.finish();
  server_->plans.stop();
  go_on();
  pass(seconds(10));
  EXPECT_FALSE(peer("abc").link.has(kFirst));
}

TEST_F(PersistedAssignments, WhoHoldsAShardIsPersistedBeforeItIsToldAnything) {
  server_->settings.count = ShardCount{1};
  know({with_id("abc", 0, 1)});
  server_->start();
  settle();
  fake().hold();
  auto& agent = connect("abc", R"({"agent":"1","instance":"one","boot":"b","machine":"host","term":20000})");
  agent.says(status_text(-1, -1, 0));
  pass(Plans::kPlanDelay);
  EXPECT_FALSE(agent.link.has(R"(["update")"));
  EXPECT_FALSE(fake().row(name("abc")));
  go_on();
  EXPECT_TRUE(agent.link.has(R"(["update")"));
  ASSERT_TRUE(fake().row(name("abc")));
  EXPECT_EQ(fake().row(name("abc"))->holder.instance, "one");
}

TEST_F(PersistedAssignments, ASecondAgentIsRefusedWhileTheFirstIsConnectedAndUntilItsBotMustHaveEnded) {
  know({with_id("abc", 0, 1)});
  server_->settings.count = ShardCount{1};
  server_->start();
  const auto one = R"({"agent":"1","instance":"one","boot":"b","machine":"host","term":20000})";
  const auto two = R"({"agent":"1","instance":"two","boot":"c","machine":"other","term":20000})";
  connect("abc", one);
  auto& attendance = server_->attendance;
  EXPECT_TRUE(attendance.refusal(name("abc"), fleet::parse_holder(two)));
  EXPECT_FALSE(attendance.refusal(name("abc"), fleet::parse_holder(one)));
  leave(peer("abc"));
  EXPECT_TRUE(attendance.refusal(name("abc"), fleet::parse_holder(two))) << "its bot may still run";
  pass(server_->settings.assume_dead_after + kAgentMargin + seconds(60));
  EXPECT_FALSE(attendance.refusal(name("abc"), fleet::parse_holder(two)));
}

}  // namespace
}  // namespace smaster::server
