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

constexpr const char* kOne = R"({"agent":"1","instance":"one","boot":"b","machine":"host","term":20000})";

TEST_F(PersistedAssignments, AnAgentThatLeavesGivesItsIdToASpareAtOnceAndOneThatOnlyVanishesDoesNot) {
  for (const bool leaves : {false, true}) {
    server_->settings.count = ShardCount{1};
    if (!leaves) {
      know({with_id("abc", 0, 1), info("abd")});
      server_->start();
    }
    connect("abc", kOne).says(status_text(-1, -1, 0));
    auto& spare = connect("abd");
    spare.says(status_text(-1, -1, 0));
    pass(Plans::kPlanDelay);
    settle();
    if (leaves) peer("abc").says(R"(2["leave"])");
    leave(peer("abc"));
    pass(Plans::kPlanDelay);
    settle();
    EXPECT_EQ(spare.link.has(kFirst), leaves);
    EXPECT_EQ(shard("abc").info.goal.bound(), !leaves);
  }
}

TEST_F(PersistedAssignments, AnAgentThatReturnsIsToldNothingBeforeTheStoreHasThatItIsBack) {
  server_->settings.count = ShardCount{1};
  know({with_id("abc", 0, 1)});
  server_->start();
  for (const std::string auth : {kOne, ""}) {  // a shard without an agent may have the config by then
    connect("abc", kOne).says(status_text(-1, -1, 0));
    peer("abc").says(R"(2["leave"])");
    leave(peer("abc"));
    pass(seconds(2));
    settle();
    ASSERT_TRUE(fake().row(name("abc")));
    EXPECT_TRUE(fake().row(name("abc"))->holder.left);
    EXPECT_EQ(fake().row(name("abc"))->goal.first(), ShardId{0}) << "there is no spare";
    fake().hold();
    auto& back = connect("abc", auth);
    if (!auth.empty()) back.says(status_text(-1, -1, 0));
    pass(Plans::kPlanDelay);
    EXPECT_FALSE(back.link.has(R"(["update")"));
    fake().go_on();
    settle();
    EXPECT_TRUE(back.link.has(kFirst));
    EXPECT_FALSE(fake().row(name("abc"))->holder.left);
    leave(back);
    settle();
  }
}

TEST_F(PersistedAssignments, ThatAHostIsDrainedIsPersistedFirstAndForgottenIfThatFails) {
  server_->settings.count = ShardCount{1};
  know({info("abc")});
  server_->start();
  settle();
  Result<void> drained;
  fake().next({Does::fails});
  spawn(server_->goal.drain("fra1", true), drained);
  settle();
  EXPECT_FALSE(drained);
  EXPECT_TRUE(server_->goal.drained().empty());
  spawn(server_->goal.drain("fra1", true), drained);
  settle();
  EXPECT_TRUE(drained);
  EXPECT_EQ(*store_->load_note("drained"), R"(["fra1"])");
  spawn(server_->goal.drain("fra1", false), drained);
  settle();
  EXPECT_EQ(*store_->load_note("drained"), "[]");
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
