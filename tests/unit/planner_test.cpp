// The planner's rules as a table: a fleet in a few words, the plan in a few words.
#include <gtest/gtest.h>

#include <deque>
#include <sstream>

#include "fleet/heartbeats.hpp"
#include "fleet/names.hpp"
#include "fleet/planner.hpp"

namespace smaster::fleet {
namespace {

ShardName name(std::string_view text) { return *ShardName::parse(text); }

/// "aaa:0/2" has id 0 of 2; "+" connected, "*" a master, "?" never seen.
struct Scene {
  explicit Scene(const std::string& text) {
    std::istringstream words(text);
    for (std::string word; words >> word;) {
      infos.emplace_back(name(word.substr(0, 3)));
      auto& info = infos.back();
      info.last_seen = word.find('?') == std::string::npos ? from_unix_ms(1) : kNever;
      info.is_master = word.find('*') != std::string::npos;
      if (const auto colon = word.find(':'); colon != std::string::npos) {
        info.goal_shard_id.value = std::stoi(word.substr(colon + 1));
        info.goal_shard_count.value = std::stoi(word.substr(word.find('/') + 1));
      }
      members.push_back({&info, word.find('+') != std::string::npos});
    }
  }
  std::deque<ShardInfo> infos;
  std::vector<Member> members;
};

std::string plan_of(const std::string& scene_text, int goal, bool auto_generate = false) {
  const Scene scene(scene_text);
  const auto result = plan(scene.members, {.goal = ShardCount{goal}, .auto_generate = auto_generate});
  std::string text;
  for (const auto& assignment : result.assignments) {
    text += assignment.shard.str() + ':' + std::to_string(assignment.id.value) + '/' +
            std::to_string(assignment.count.value) + ' ';
  }
  switch (result.generate) {
    case Generate::nothing:
      break;
    case Generate::shard:
      text += "+shard ";
      break;
    case Generate::master:
      text += "+master ";
      break;
  }
  return text;
}

struct Row {
  const char* rule;
  const char* scene;
  int goal;
  const char* plan;
};

TEST(Planner, AssignsByTheRules) {
  const Row rows[] = {
      {"connected shards get the lowest ids in order of name", "aaa+ bbb+ ccc+", 3,
       "aaa:0/3 bbb:1/3 ccc:2/3 "},
      {"shards that are not connected get none", "aaa bbb+", 2, "bbb:0/2 "},
      {"nobody gets an id beyond the goal", "aaa+ bbb+ ccc+", 2, "aaa:0/2 bbb:1/2 "},
      {"who has an id keeps it", "aaa+ bbb:0/2+", 2, "aaa:1/2 "},
      {"who vanishes keeps its id", "aaa:0/2 bbb+ ccc+", 2, "bbb:1/2 "},
      {"a plan that holds is silent", "aaa:0/2+ bbb:1/2 ccc+", 2, ""},
      {"a new goal changes the count and keeps the ids", "aaa:0/2+ bbb:1/2+", 4, "aaa:0/4 bbb:1/4 "},
      {"a smaller goal takes ids away", "aaa:0/3+ bbb:1/3+ ccc:2/3+", 2, "aaa:0/2 bbb:1/2 ccc:-1/-1 "},
      {"an id taken by the new generation is not taken twice", "aaa:0/2+ bbb:0/4+", 4, "aaa:1/4 "},
      {"the second of two with one id gets another", "aaa:0/2+ bbb:0/2+", 2, "bbb:1/2 "},
      {"without a free one it gets none", "aaa:0/1+ bbb:0/1+", 1, "bbb:-1/-1 "},
      {"the goal zero stops all", "aaa:0/1+", 0, "aaa:-1/-1 "},
      {"an unknown goal changes nothing", "aaa:0/1+ bbb+", -1, ""},
      {"the master is not on Discord", "aaa*+ bbb+", 1, "aaa:1000/1 bbb:0/1 "},
      {"a master never seen is left alone", "aaa*? bbb+", 1, "bbb:0/1 "},
      {"a large fleet's master has the first id beyond it", "aaa*+", 2000, "aaa:2000/2000 "},
  };
  for (const auto& row : rows) EXPECT_EQ(plan_of(row.scene, row.goal), row.plan) << row.rule;
}

TEST(Planner, GeneratesConfigsUpToTheGoalAndThenAMaster) {
  EXPECT_EQ(plan_of("", 2, true), "+shard ");
  EXPECT_EQ(plan_of("aaa?", 2, true), "+shard ");
  EXPECT_EQ(plan_of("aaa? bbb?", 2, true), "+master ");
  EXPECT_EQ(plan_of("aaa? bbb? ccc*?", 2, true), "");
  EXPECT_EQ(plan_of("", 0, true), "+master ");
  EXPECT_EQ(plan_of("", 2, false), "");
}

TEST(Planner, ItsOwnResultNeedsNoPlan) {
  for (const int goal : {0, 1, 3, 7}) {
    Scene scene("aaa+ bbb:0/3+ ccc:5/9 ddd*+ eee:0/3+ fff:2/7+ ggg");
    for (const auto& assignment :
         plan(scene.members, {.goal = ShardCount{goal}, .auto_generate = false}).assignments) {
      for (auto& info : scene.infos) {
        if (info.id != assignment.shard) continue;
        info.goal_shard_id = assignment.id;
        info.goal_shard_count = assignment.count;
      }
    }
    EXPECT_TRUE(plan(scene.members, {.goal = ShardCount{goal}, .auto_generate = false}).assignments.empty())
        << goal;
  }
}

/// Fleets whose silence counts. Everybody was given its id and heard of at the start; minutes go by in the
/// tests.
struct SilenceTest : testing::Test {
  static constexpr Time kStart = from_unix_ms(1'000'000'000);

  ShardInfo& add(std::string_view shard, int id, int count, bool connected = true) {
    auto& info = infos.emplace_back(name(shard));
    info.last_seen = info.last_heartbeat = info.boot_time = kStart;
    info.goal_shard_id.value = info.current_shard_id.value = id;
    info.goal_shard_count.value = info.current_shard_count.value = count;
    members.push_back({&info, connected});
    return info;
  }

  /// The plan after so many seconds, which is made; "!" marks a reboot.
  std::string plan_at(int seconds, int goal) {
    const PlanSettings settings{.goal = ShardCount{goal},
                                .auto_generate = false,
                                .now = kStart + std::chrono::seconds(seconds),
                                .since = since};
    const auto result = plan(members, settings);
    std::string text;
    for (const auto& assignment : result.assignments) {
      text += assignment.shard.str() + ':' + std::to_string(assignment.id.value) + '/' +
              std::to_string(assignment.count.value) + ' ';
      for (auto& info : infos) {
        if (info.id == assignment.shard) apply(assignment, info, settings.now);
      }
    }
    for (const auto& shard : result.reboots) {
      text += shard.str() + "! ";
      for (auto& member : members) {
        if (member.info->id == shard) member.reboot_asked = settings.now;
      }
    }
    EXPECT_TRUE(plan(members, settings).assignments.empty()) << "its own result needs no plan";
    return text;
  }

  /// A status of the shard that knows its goal and runs this.
  static void reports(ShardInfo& info, int id, int count) {
    ShardStatus status;
    status.goal_shard_id = info.goal_shard_id;
    status.goal_shard_count = info.goal_shard_count;
    status.current_shard_id.value = id;
    status.current_shard_count.value = count;
    believe_status(status, info);
  }

  static void heard(ShardInfo& info, int seconds) { info.last_seen = kStart + std::chrono::seconds(seconds); }

  std::deque<ShardInfo> infos;
  std::vector<Member> members;
  Time since = kStart;
};

TEST_F(SilenceTest, ASilentShardIsToldToRebootOnceThenStoppedThenMayBeginAgain) {
  auto& info = add("aaa", 0, 1);
  heard(info, 400);
  EXPECT_EQ(plan_at(119, 1), "");
  EXPECT_EQ(plan_at(120, 1), "aaa! ");
  EXPECT_EQ(plan_at(125, 1), "");
  EXPECT_EQ(plan_at(180, 1), "aaa:-1/-1 ");
  EXPECT_EQ(plan_at(185, 1), "") << "it has not said that it stopped";
  reports(info, -1, -1);
  EXPECT_EQ(plan_at(186, 1), "aaa:0/1 ");
  EXPECT_EQ(plan_at(300, 1), "") << "it begins with new patience";
}

TEST_F(SilenceTest, AHeartbeatEndsTheSilenceAndANewOneIsAskedAboutAgain) {
  auto& info = add("aaa", 0, 1);
  heard(info, 400);
  EXPECT_EQ(plan_at(120, 1), "aaa! ");
  info.last_heartbeat = kStart + std::chrono::seconds(130);
  EXPECT_EQ(plan_at(240, 1), "");
  EXPECT_EQ(plan_at(250, 1), "aaa! ");
}

TEST_F(SilenceTest, ADeadShardIsReplacedByASpareOnceItsBotMustBeGone) {
  add("aaa", 0, 1, false);
  members[0].margin = Millis{7'000};
  heard(add("bbb", -1, -1), 400);
  EXPECT_EQ(plan_at(299, 1), "");
  EXPECT_EQ(plan_at(300, 1), "aaa:-1/-1 ");
  EXPECT_EQ(plan_at(306, 1), "") << "its bot gets its time to end";
  EXPECT_EQ(plan_at(307, 1), "bbb:0/1 ");
}

TEST_F(SilenceTest, WithoutASpareTheDeadKeepsItsId) {
  add("aaa", 0, 1, false);
  EXPECT_EQ(plan_at(4000, 1), "");
}

TEST_F(SilenceTest, ASpareThatAFreeIdWaitsForReplacesNobody) {
  add("aaa", 0, 2, false);
  heard(add("bbb", -1, -1), 400);
  EXPECT_EQ(plan_at(400, 2), "bbb:1/2 ");
  EXPECT_EQ(plan_at(500, 2), "");
}

TEST_F(SilenceTest, AReturningDeadShardIsStoppedBeforeItGetsAnotherId) {
  auto& dead = add("aaa", 0, 1, false);
  heard(add("bbb", -1, -1), 400);
  EXPECT_EQ(plan_at(310, 1), "aaa:-1/-1 bbb:0/1 ");
  members[0].connected = true;
  heard(dead, 320);
  EXPECT_EQ(plan_at(320, 2), "bbb:0/2 ") << "it may still run something";
  reports(dead, -1, -1);
  EXPECT_EQ(plan_at(321, 2), "aaa:1/2 ");
}

TEST_F(SilenceTest, SilenceFromBeforeTheServersStartDoesNotCount) {
  add("aaa", 0, 1, false);
  heard(add("bbb", -1, -1), 1000);
  since = kStart + std::chrono::seconds(900);
  EXPECT_EQ(plan_at(1000, 1), "");
  EXPECT_EQ(plan_at(1200, 1), "aaa:-1/-1 bbb:0/1 ");
}

TEST_F(SilenceTest, AnIdThatMayStillRunIsNotGivenOn) {
  auto& old = add("aaa", 1, 2);
  heard(add("bbb", -1, -1), 10);
  add("ccc", 0, 2);
  EXPECT_EQ(plan_at(1, 1), "ccc:0/1 aaa:-1/-1 ");
  EXPECT_EQ(plan_at(2, 2), "ccc:0/2 ") << "aaa has not said that it no longer runs 1 of 2";
  reports(old, 1, 2);
  EXPECT_EQ(plan_at(3, 2), "");
  reports(old, -1, -1);
  EXPECT_EQ(plan_at(4, 2), "bbb:1/2 ");
}

TEST_F(SilenceTest, AStatusThatDoesNotKnowTheGoalConfirmsNothing) {
  ShardInfo info(name("aaa"));
  apply({info.id, ShardId{1}, ShardCount{2}}, info, kStart);
  apply({info.id, kNoShard, kNoCount}, info, kStart);
  ShardStatus early;  // from before it was told either
  early.goal_shard_id = ShardId{1};
  early.goal_shard_count = ShardCount{2};
  believe_status(early, info);
  EXPECT_EQ(info.may_run, (std::vector<Role>{{ShardId{1}, ShardCount{2}}}));
  reports(info, -1, -1);
  EXPECT_TRUE(info.may_run.empty());
}

TEST_F(SilenceTest, OfTwoWithOneIdTheOlderKeepsIt) {
  add("aaa", 0, 2).boot_time = kStart + std::chrono::seconds(5);
  add("bbb", 0, 2);
  EXPECT_EQ(plan_at(10, 2), "aaa:1/2 ");
}

TEST(Roles, AreTextInTheStore) {
  const std::vector<Role> roles{{ShardId{1}, ShardCount{4}}, {ShardId{20}, ShardCount{80}}};
  EXPECT_EQ(to_text(roles), "1/4 20/80");
  EXPECT_EQ(parse_roles("1/4 20/80"), roles);
  EXPECT_EQ(parse_roles(""), std::vector<Role>{});
  EXPECT_EQ(parse_roles("x 1/ /2 3 1/4  "), (std::vector<Role>{{ShardId{1}, ShardCount{4}}}));
}

TEST(Names, AreThreeLettersAndNeverTaken) {
  EXPECT_EQ(generate_name([](const ShardName&) { return false; }, 0).str(), "aaa");
  EXPECT_EQ(generate_name([](const ShardName& n) { return n.str() == "aaa"; }, 0).str(), "baa");
  EXPECT_EQ(generate_name([](const ShardName&) { return false; }, ~0ull).str().size(), 3u);
}

TEST(Names, GrowLongerWhenTheyRunOut) {
  EXPECT_EQ(generate_name([](const ShardName& n) { return n.str().size() == 3; }, 5).str().size(), 4u);
}

TEST(Heartbeats, AreSpreadEvenlyOverTheInterval) {
  HeartbeatRing ring;
  for (const char* shard : {"aaa", "bbb", "ccc", "ddd"}) ring.join(name(shard));
  const Millis interval{1000};
  EXPECT_TRUE(ring.due(Instant{}, interval, true).empty());
  std::map<ShardName, int> asked;
  for (int ms = 10; ms <= 3000; ms += 10) {
    const auto due = ring.due(Instant{} + Millis{ms}, interval, true);
    EXPECT_LE(due.size(), 1u) << "never two in one tick of a hundredth";
    for (const auto& shard : due) ++asked[shard];
  }
  for (const auto& [shard, times] : asked) EXPECT_NEAR(times, 3, 1) << shard.str();
  EXPECT_EQ(asked.size(), 4u);
}

TEST(Heartbeats, GoOutTogetherWhenNotDispersed) {
  HeartbeatRing ring;
  ring.join(name("aaa"));
  ring.join(name("bbb"));
  (void)ring.due(Instant{}, Millis{1000}, false);
  EXPECT_TRUE(ring.due(Instant{} + Millis{999}, Millis{1000}, false).empty());
  EXPECT_EQ(ring.due(Instant{} + Millis{1000}, Millis{1000}, false).size(), 2u);
}

TEST(Heartbeats, NobodyIsAskedTwiceAfterAPause) {
  HeartbeatRing ring;
  ring.join(name("aaa"));
  ring.join(name("bbb"));
  (void)ring.due(Instant{}, Millis{1000}, true);
  EXPECT_EQ(ring.due(Instant{} + std::chrono::hours(1), Millis{1000}, true).size(), 2u);
}

TEST(Heartbeats, EmptyRingNeedsNoTimer) {
  HeartbeatRing ring;
  EXPECT_FALSE(ring.next(Instant{}, Millis{1000}, true));
  ring.join(name("aaa"));
  EXPECT_TRUE(ring.next(Instant{}, Millis{1000}, true));
  ring.leave(name("aaa"));
  EXPECT_FALSE(ring.next(Instant{}, Millis{1000}, true));
}

}  // namespace
}  // namespace smaster::fleet
