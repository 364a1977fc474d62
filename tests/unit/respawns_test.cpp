// Rolling respawns and reshards that are waited for: shards that come back, come late, leave or are revoked
// meanwhile, and the time that passes.
#include "server/requests/reshard.hpp"

#include "fleet_fixture.hpp"
#include "server/requests/reboot.hpp"
#include "server/requests/respawn.hpp"

namespace smaster::server {
namespace {

using std::chrono::minutes;

/// Long: the real time that a test takes is nothing against it.
constexpr RollOptions kOptions{minutes(10), minutes(30)};
constexpr const char* kRespawn = R"(["respawn",)";

class Rolling : public FleetTest {
 protected:
  Rolling() {
    // Shards that say nothing while time passes are not what these tests are about.
    auto& settings = server_->settings;
    settings.request_reboot_after = settings.expect_reboot_after = settings.assume_dead_after =
        std::chrono::hours(100);
    command({"abc", "abd"});
    for (const auto who : {"abc", "abd"}) status(who, 1);
    poll();
  }
  /// Runs what can run now, and what waits for a time that has come already.
  void poll() {
    for (int i = 0; i < 3; ++i) pass(Millis{0});
  }
  void status(std::string_view who, int started) {
    peer(who).says(status_text(who == "abc" ? 0 : 1, 2, started));
  }
  /// Which shards have been told to respawn.
  std::string told() {
    std::string names;
    for (auto& [who, peer] : peers_) names += peer.link.has(kRespawn) ? who + ' ' : "";
    return names;
  }
  void roll() {
    ASSERT_TRUE(server_->respawns.roll(name("abc"), kOptions));
    poll();
    pass(Millis{0});
  }
  bool is_over() { return !!server_->respawns.roll(name("abc"), kOptions); }
};

TEST_F(Rolling, TheNextShardFollowsWhenTheOneBeforeIsBackAndTheDelayIsOver) {
  roll();
  EXPECT_EQ(told(), "abc ");
  pass(minutes(10));
  EXPECT_EQ(told(), "abc ") << "it is not back";
  status("abc", 2);
  poll();
  EXPECT_EQ(told(), "abc abd ");
  EXPECT_FALSE(is_over());
  status("abd", 2);
  poll();
  EXPECT_TRUE(is_over());
}

TEST_F(Rolling, AShardThatIsBackAtOnceIsFollowedAfterTheDelay) {
  roll();
  status("abc", 2);
  poll();
  EXPECT_EQ(told(), "abc ");
  pass(minutes(10));
  EXPECT_EQ(told(), "abc abd ");
}

TEST_F(Rolling, AShardThatDoesNotComeBackDelaysTheNextOneUntilTheTimeout) {
  roll();
  pass(kOptions.timeout);
  poll();
  EXPECT_EQ(told(), "abc abd ");
  status("abc", 2);  // late
  poll();
  EXPECT_FALSE(is_over()) << "the other one is awaited";
  pass(kOptions.timeout);
  poll();
  EXPECT_TRUE(is_over());
}

TEST_F(Rolling, AShardThatIsRevokedMeanwhileIsNotWaitedForForEver) {
  roll();
  Result<void> removed;
  spawn(registration().remove({name("abc")}), removed);
  run();
  pass(kOptions.timeout);
  poll();
  EXPECT_TRUE(peer("abd").link.has(kRespawn));
}

TEST_F(Rolling, AShardThatHasLeftBeforeItsTurnIsSkipped) {
  roll();
  leave(peer("abd"));
  status("abc", 2);
  poll();
  pass(kOptions.shard_delay);
  EXPECT_TRUE(is_over());
}

TEST_F(Rolling, AfterItsDelayAShardThatWasRevokedOrHasLeftIsNotTold) {
  server_->orders.limit(fleet::IdentifyLimits{1, 1000, net::fleet_clock() + minutes(600), 1000, 0});
  respawn(server_->respawn_parts, {{ShardId{0}, name("abc"), true}, {ShardId{1}, name("abd"), true}},
          minutes(10));
  poll();
  pass(Millis{0});
  Result<void> removed;
  spawn(registration().remove({name("abd")}), removed);
  run();
  pass(minutes(10));
  poll();
  EXPECT_FALSE(peer("abd").link.has(kRespawn));
  EXPECT_EQ(server_->tasks.running(), 0U);
}

TEST_F(Rolling, OrdersForAShardThatLeavesBeforeTheyAreSentHarmNobody) {
  server_->sender.respawn_after(shard("abc"), Millis{0});
  server_->sender.exit(shard("abc"));
  server_->sender.reboot(shard("abd"));
  leave(peer("abc"));
  Result<void> removed;
  spawn(registration().remove({name("abd")}), removed);
  run();
  settle();
  auto& back = connect("abc");
  settle();
  EXPECT_FALSE(back.link.has(kRespawn));
  EXPECT_FALSE(back.link.has(R"("id":-2)")) << "who is not connected is not told to exit";
}

TEST_F(Rolling, AReshardThatIsWaitedForEndsAtItsTimeout) {
  Result<std::shared_ptr<control::LineStream>> lines = fail(ErrorKind::internal, "it has not ended");
  const auto begin = [&]() -> net::Task<> {
    Reshard request{ShardCount{3}, {}, false, true, minutes(10)};
    lines = co_await reshard(server_->reshard_parts, std::move(request));
  };
  tasks_.spawn("reshard", begin());
  run();
  ASSERT_TRUE(lines);
  settle();
  EXPECT_EQ(server_->tasks.running(), 1U);
  for (int i = 0; i < 3; ++i) pass(minutes(10));
  EXPECT_EQ(server_->tasks.running(), 0U);
  EXPECT_EQ(server_->goal.target().count, ShardCount{3}) << "it goes on, nobody waits for it";
}

TEST_F(Rolling, AReshardIsNotWaitedForOnceAnotherHasReplacedIt) {
  Result<std::shared_ptr<control::LineStream>> first = fail(ErrorKind::internal, "it has not ended");
  auto second = first;
  const auto begin = [&](Result<std::shared_ptr<control::LineStream>>& lines, int count) -> net::Task<> {
    Reshard request{ShardCount{count}, {}, false, true, std::chrono::hours(10)};
    lines = co_await reshard(server_->reshard_parts, std::move(request));
  };
  tasks_.spawn("reshard", begin(first, 3));
  run();
  settle();
  tasks_.spawn("reshard", begin(second, 4));
  run();
  settle();
  for (int i = 0; i < 3; ++i) pass(minutes(1));
  EXPECT_EQ(server_->tasks.running(), 1U) << "the second one";
  (*second)->on_gone();
  for (int i = 0; i < 3; ++i) pass(minutes(1));
  EXPECT_EQ(server_->tasks.running(), 0U);
}

TEST_F(Rolling, AReshardWhoseTargetIsNotPersistedChangesNothing) {
  fake().next({FakeStore::Does::fails});
  Result<std::shared_ptr<control::LineStream>> lines = fail(ErrorKind::internal, "it has not ended");
  const auto begin = [&]() -> net::Task<> {
    Reshard request{ShardCount{3}, {}, false, true, minutes(10)};
    lines = co_await reshard(server_->reshard_parts, std::move(request));
  };
  tasks_.spawn("reshard", begin());
  run();
  settle();
  EXPECT_EQ(server_->goal.target().count, ShardCount{2});
  EXPECT_EQ(server_->tasks.running(), 0U) << "there is nothing to wait for";
}

TEST_F(Rolling, ARebootTellsTheConnectedAndRestartsTheServerAfterThat) {
  bool restarted = false;
  bool told_before = false;
  server_->restart = [&] {
    restarted = true;
    server_->sender.finish();
    told_before = peer("abd").link.has(R"("id":-2)");
  };
  std::vector<Rebooted> rebooted;
  const auto begin = [&]() -> net::Task<> {
    Reboot all;
    all.what = Reboot::What::all;
    rebooted = co_await reboot(server_->reboot_parts, std::move(all));
  };
  leave(peer("abc"));
  tasks_.spawn("reboot", begin());
  run();
  ASSERT_EQ(rebooted.size(), 2U);
  EXPECT_FALSE(rebooted[0].told);
  EXPECT_TRUE(rebooted[1].told);
  EXPECT_TRUE(restarted);
  EXPECT_TRUE(told_before);
}

TEST_F(Rolling, ARebootOfAnIdWhoseShardIsRevokedMeanwhileTellsNobody) {
  std::vector<Rebooted> rebooted{{ShardId{7}, {}, true}};
  const auto begin = [&]() -> net::Task<> {
    Reboot some;
    some.what = Reboot::What::programs;
    some.ids.emplace({ShardId{0}, ShardId{5}, ShardId{0}});
    rebooted = co_await reboot(server_->reboot_parts, std::move(some));
  };
  tasks_.spawn("reboot", begin());
  Result<void> removed;
  spawn(registration().remove({name("abc")}), removed);
  run();
  for (const auto& each : rebooted) EXPECT_FALSE(each.told) << each.id.value;
}

}  // namespace
}  // namespace smaster::server
