// Orders to shards where servers share a store: no login is permitted before it is counted there, whatever
// the store and the shards do meanwhile. And the statuses that a server asks for in turn.
#include "fleet_fixture.hpp"
#include "server/planning/order_sender.hpp"

namespace smaster::server {
namespace {

using Does = FakeStore::Does;
using std::chrono::minutes;
using std::chrono::seconds;

class Budget : public FleetTest {
 protected:
  Budget() {
    server_->settings.store.url = "a store that servers share";
    server_->settings.count = ShardCount{1};
    know({with_id("abc", 0, 1)});
    server_->start();
    connect("abc", R"({"agent":"1","instance":"one","boot":"b","machine":"host","term":20000})");
    peer("abc").says(status_text(0, 1, 1));
    pass(Plans::kPlanDelay);
    settle();
    fake().hold();
  }
  void discord_says(std::int64_t remaining) {
    server_->goal.discord_says(ShardCount{1},
                               {1, remaining, net::fleet_clock() + std::chrono::hours(20), 1000, 0});
    poll();
  }
  void bot_asks(int ask) {
    peer("abc").says(R"(2["identify",{"id":0,"ask":)" + std::to_string(ask) + "}]");
    poll();
  }
  /// The store writes from now on, and the next turn to log in comes.
  void go_on() {
    fake().go_on();
    settle();
    pass(minutes(1));
    settle();
  }
  [[nodiscard]] bool permitted(int ask) {
    return peer("abc").link.has(R"(["permit",{"id":0,"ask":)" + std::to_string(ask) + R"(,"waited")");
  }
};

TEST_F(Budget, ALoginWaitsUntilItIsCounted) {
  discord_says(100);
  bot_asks(1);
  pass(minutes(1));
  EXPECT_FALSE(permitted(1));
  go_on();
  EXPECT_TRUE(permitted(1));
  const auto kept = parse_limits(*fake().load_note(kIdentifyNote));
  ASSERT_TRUE(kept);
  EXPECT_LE(*kept->remaining, 99) << "a new leader counts this login as used";
}

TEST_F(Budget, ALoginThatCannotBeCountedWaitsUntilTheStoreWorks) {
  fake().next({Does::fails, Does::throws});
  discord_says(100);
  bot_asks(1);
  fake().go_on();
  settle();
  pass(seconds(1));
  settle();
  EXPECT_FALSE(permitted(1));
  pass(seconds(1));
  settle();
  pass(minutes(1));
  EXPECT_TRUE(permitted(1));
}

TEST_F(Budget, AnAgentThatHasLeftWhenItsLoginIsCountedIsNotPermittedOnItsNextConnection) {
  discord_says(100);
  bot_asks(1);
  pass(minutes(1));
  leave(peer("abc"));
  connect("abc", R"({"agent":"1","instance":"one","boot":"b","machine":"host","term":20000})");
  go_on();
  EXPECT_FALSE(permitted(1));
}

TEST_F(Budget, AShardThatIsRevokedWhileItsLoginIsCountedIsForgotten) {
  discord_says(100);
  bot_asks(1);
  pass(minutes(1));
  Result<void> removed;
  spawn(registration().remove({name("abc")}), removed);
  go_on();
  EXPECT_TRUE(removed);
  EXPECT_FALSE(permitted(1));
  EXPECT_EQ(server_->sender.identify().waiting(), 0U);
}

TEST_F(Budget, NothingIsPermittedAfterTheServersEnd) {
  discord_says(100);
  bot_asks(1);
  pass(minutes(1));
  server_->sender.finish();
  go_on();
  EXPECT_FALSE(permitted(1));
}

class Asked : public FleetTest {
 protected:
  static constexpr Millis kInterval = minutes(30);

  Asked() {
    server_->settings.update_style = UpdateStyle::pull;
    server_->settings.interval = kInterval;
    server_->settings.request_reboot_after = 100 * kInterval;
    server_->settings.expect_reboot_after = 200 * kInterval;
    server_->settings.assume_dead_after = 300 * kInterval;
    server_->settings.disperse = false;
    command({"abc", "abd"});
    settle();
    for (auto& [who, peer] : peers_) peer.says(status_text(who == "abc" ? 0 : 1, 2, 1));
    pass(Plans::kPlanDelay);
    settle();
    forget();
  }
  void forget() {
    for (auto& [who, peer] : peers_) peer.link.forget();
  }
  /// How often each shard is asked within one interval.
  std::string rounds() {
    forget();
    pass(kInterval);
    settle();
    std::string text;
    for (auto& [who, peer] : peers_)
      text += who + ' ' + std::to_string(peer.link.count(R"(["update")")) + ' ';
    return text;
  }
};

TEST_F(Asked, EachShardOnceInAnInterval) {
  rounds();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(rounds(), "abc 1 abd 1 ");
}

TEST_F(Asked, NotOneThatHasLeftUntilItIsBack) {
  rounds();
  leave(peer("abd"));
  EXPECT_EQ(rounds(), "abc 1 abd 0 ");
  connect("abd");
  peer("abd").says(status_text(1, 2, 1));
  settle();
  rounds();
  EXPECT_EQ(rounds(), "abc 1 abd 1 ");
}

TEST_F(Asked, NotOneThatWasRevoked) {
  rounds();
  Result<void> removed;
  spawn(registration().remove({name("abd")}), removed);
  run();
  EXPECT_EQ(rounds(), "abc 1 abd 0 ");
}

TEST_F(Asked, NobodyOnceTheSettingsSayThatShardsSendStatusesThemselves) {
  rounds();
  server_->settings.update_style = UpdateStyle::push;
  server_->heartbeats.arm();
  EXPECT_EQ(rounds(), "abc 0 abd 0 ");
  server_->settings.update_style = UpdateStyle::pull;
  server_->heartbeats.arm();
  rounds();
  EXPECT_EQ(rounds(), "abc 1 abd 1 ");
}

TEST_F(Asked, NobodyAfterTheServersEnd) {
  rounds();
  server_->heartbeats.stop();
  server_->heartbeats.join(name("abc"));
  EXPECT_EQ(rounds(), "abc 0 abd 0 ");
}

}  // namespace
}  // namespace smaster::server
