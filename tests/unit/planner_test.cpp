// The planner's rules as a table: a fleet in a few words, the plan in a few words.
#include <gtest/gtest.h>

#include <deque>
#include <sstream>

#include "fleet/forecast.hpp"
#include "fleet/heartbeats.hpp"
#include "fleet/planner.hpp"
#include "records/names.hpp"

namespace smaster::fleet {
namespace {

ShardName name(std::string_view text) { return *ShardName::parse(text); }

/// "aaa:0/2" has id 0 of 2, "aaa:0,1/2" two ids; "+" connected, "*" a master, "?" never seen, "x3" takes
/// three ids, "@h" is on the host h, "!" its agent has left.
struct Scene {
  explicit Scene(const std::string& text) {
    std::istringstream words(text);
    for (std::string word; words >> word;) {
      ShardInfo info(name(word.substr(0, 3)));
      info.last_seen = word.find('?') == std::string::npos ? from_unix_ms(1) : kNever;
      info.is_master = word.find('*') != std::string::npos;
      if (const auto colon = word.find(':'); colon != std::string::npos) {
        info.goal =
            parse_assignments(word.substr(colon + 1, word.find_first_of("+*x@?!", colon) - colon - 1)).at(0);
      }
      if (const auto at = word.find('x', 3); at != std::string::npos) {
        info.capacity = static_cast<std::uint32_t>(std::stoi(word.substr(at + 1)));
      }
      if (const auto at = word.find('@'); at != std::string::npos) info.host = word.substr(at + 1, 1);
      info.holder.left = word.find('!') != std::string::npos;
      seats.emplace_back(std::move(info));
      if (word.find('+') != std::string::npos) seats.back().stage = fleet::Stage::told;
      seats.back().info.current = seats.back().info.goal;
    }
  }

  Plan step(const PlanSettings& settings, Time now = kNever) {
    Planner planner(settings);
    for (auto& seat : seats) planner.add(seat);
    auto plan = planner.step(now);
    EXPECT_EQ(planner.step(now).changes.size(), 0u) << "its own result needs no plan";
    return plan;
  }

  /// Everybody does what it was told, and says so.
  void obey() {
    for (auto& seat : seats) {
      if (!seat.connected()) continue;
      seat.info.current = seat.info.goal;
      seat.info.may_run.clear();
    }
  }

  std::deque<Seat> seats;
};

std::string text_of(const Plan& plan) {
  std::string text;
  for (const auto& change : plan.changes) {
    text += change.shard.str() + ':' + to_text({change.assignment}) + ' ';
  }
  for (const auto& shard : plan.reboots) text += shard.str() + "! ";
  if (plan.generate) text += "+shard ";
  return text;
}

std::string plan_of(const std::string& scene_text, int goal, bool auto_generate = false) {
  PlanSettings settings;
  settings.goal = ShardCount{goal};
  settings.auto_generate = auto_generate;
  return text_of(Scene(scene_text).step(settings));
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
      {"the second of two with one id is stopped first", "aaa:0/2+ bbb:0/2+", 2, "bbb:-1/-1 "},
      {"without a free one it gets none", "aaa:0/1+ bbb:0/1+", 1, "bbb:-1/-1 "},
      {"the goal zero stops all", "aaa:0/1+", 0, "aaa:-1/-1 "},
      {"an unknown goal changes nothing", "aaa:0/1+ bbb+", -1, ""},
      {"the master is not on Discord", "aaa*+ bbb+", 1, "aaa:1000/1 bbb:0/1 "},
      {"a master never seen is left alone", "aaa*? bbb+", 1, "bbb:0/1 "},
      {"a large fleet's master has the first id beyond it", "aaa*+", 2000, "aaa:2000/2000 "},
  };
  for (const auto& row : rows) EXPECT_EQ(plan_of(row.scene, row.goal), row.plan) << row.rule;
}

TEST(Planner, GeneratesWhatIsMissingUpToTheGoalAndNoMaster) {
  EXPECT_EQ(plan_of("", 2, true), "+shard ");
  EXPECT_EQ(plan_of("aaa?", 2, true), "+shard ");
  EXPECT_EQ(plan_of("aaa? bbb?", 2, true), "");
  EXPECT_EQ(plan_of("aaa? ccc*?", 2, true), "+shard ") << "a master shard runs no id";
  EXPECT_EQ(plan_of("", 0, true), "");
  EXPECT_EQ(plan_of("", 2, false), "");
}

/// The scene goes on, everybody obeying, until nothing is planned any more; "|" between the plans.
std::string plans_of(const std::string& scene_text, const PlanSettings& settings) {
  Scene scene(scene_text);
  std::string text;
  for (int i = 0; i < 20; ++i) {
    const auto plan = text_of(scene.step(settings));
    if (plan.empty()) break;
    text += (i > 0 ? "| " : "") + plan;
    scene.obey();
  }
  return text;
}

PlanSettings to(int goal, Strategy strategy, unsigned max_down = 1) {
  PlanSettings settings;
  settings.goal = ShardCount{goal};
  settings.auto_generate = false;
  settings.strategy = strategy;
  settings.max_down = max_down;
  return settings;
}

TEST(Planner, RollsOneAfterTheOtherToANewCount) {
  EXPECT_EQ(plans_of("aaa:0/3+ bbb:1/3+ ccc:2/3+", to(4, Strategy::rolling)), "aaa:0/4 | bbb:1/4 | ccc:2/4 ");
  EXPECT_EQ(plans_of("aaa:0/3+ bbb:1/3+ ccc:2/3+", to(4, Strategy::rolling, 2)),
            "aaa:0/4 bbb:1/4 | ccc:2/4 ");
  EXPECT_EQ(plans_of("aaa:0/2+ bbb:1/2+ ccc+ ddd+", to(4, Strategy::rolling)),
            "ccc:2/4 ddd:3/4 | aaa:0/4 | bbb:1/4 ")
      << "spares first: nobody goes down for them";
  EXPECT_EQ(plans_of("aaa:0/3+ bbb:1/3+ ccc:2/3+", to(2, Strategy::rolling)),
            "aaa:0/2 | bbb:1/2 | ccc:-1/-1 ")
      << "what is left over runs on until the rest is there";
  EXPECT_EQ(plans_of("aaa:0/3 bbb:1/3+ ccc:2/3+", to(2, Strategy::rolling)), "bbb:1/2 aaa:0/2 | ccc:-1/-1 ");
}

TEST(Planner, BlueGreenStopsTheOldWhenTheNewIsUp) {
  EXPECT_EQ(plans_of("aaa:0/1+ bbb+ ccc+", to(2, Strategy::blue_green)), "bbb:0/2 ccc:1/2 | aaa:-1/-1 ");
  EXPECT_EQ(plans_of("aaa:0/1+ bbb+", to(2, Strategy::blue_green)), "bbb:0/2 ") << "a spare is missing";
  EXPECT_EQ(plans_of("aaa:0/1+ bbb:0/2+ ccc", to(1, Strategy::blue_green)), "bbb:-1/-1 ")
      << "given up half way";
}

TEST(Planner, BlueGreenWaitsForBotsThatSayTheyAreNotReady) {
  Scene scene("aaa:0/1+ bbb:0/2+ ccc:1/2+");
  scene.seats[2].ready = false;
  EXPECT_EQ(text_of(scene.step(to(2, Strategy::blue_green))), "");
  scene.seats[2].ready = true;
  EXPECT_EQ(text_of(scene.step(to(2, Strategy::blue_green))), "aaa:-1/-1 ");
}

TEST(Planner, AProcessTakesSeveralIdsThatFollowEachOther) {
  EXPECT_EQ(plan_of("aaa+x4 bbb+x4", 8), "aaa:0,1,2,3/8 bbb:4,5,6,7/8 ");
  EXPECT_EQ(plan_of("aaa+x4 bbb+x4", 6), "aaa:0,1,2,3/6 bbb:4,5/6 ");
  EXPECT_EQ(plan_of("aaa:0,1/4+x2 bbb+", 4), "bbb:2/4 ");
  EXPECT_EQ(plan_of("aaa:0,1/3+x4", 3), "aaa:0,1,2/3 ") << "only when no other is free";
  EXPECT_EQ(plan_of("aaa:0,1/3+x4 bbb+", 3), "bbb:2/3 ");
  EXPECT_EQ(plan_of("aaa:0,1,2/3+x2", 3), "aaa:0,1/3 ") << "it takes fewer than before";
}

TEST(Planner, IdsAreSpreadOverHosts) {
  EXPECT_EQ(plan_of("aaa+x2@a bbb+x2@a ccc+x2@b ddd+x2@b", 4), "aaa:0,1/4 ccc:2,3/4 ");
  EXPECT_EQ(plan_of("aaa+x2@a bbb+x2@a ccc+x2@a ddd+x2@b", 4), "aaa:0,1/4 bbb:2,3/4 ")
      << "the larger host takes more";
}

TEST(Planner, RebalancesOnlyWhenAskedAndOneAfterTheOther) {
  const std::string scene =
      "aaa:0,1/8+x2@a bbb:2,3/8+x2@a ccc:4,5/8+x2@a ddd:6,7/8+x2@a eee+x2@b fff+x2@b ggg+x2@b hhh+x2@b";
  auto settings = to(8, Strategy::at_once);
  EXPECT_EQ(plans_of(scene, settings), "");
  settings.rebalance = true;
  EXPECT_EQ(plans_of(scene, settings), "aaa:-1/-1 | eee:0,1/8 | bbb:-1/-1 | fff:2,3/8 ");
}

TEST(Planner, WhatAnAgentThatHasLeftHadGoesToSparesAtOnce) {
  EXPECT_EQ(plan_of("aaa:0/2! bbb:1/2+ ccc+", 2), "aaa:-1/-1 ccc:0/2 ");
  EXPECT_EQ(plan_of("aaa:0/2! bbb:1/2+", 2), "") << "it may be back soon";
  EXPECT_EQ(plan_of("aaa:0/2! bbb:1/2+x4", 2), "") << "a bot that runs is not restarted for that";
  EXPECT_EQ(plan_of("aaa:0,1/3!x2 bbb:2/3+ ccc+", 3), "aaa:0/3 ccc:1/3 ");
  EXPECT_EQ(plan_of("aaa:0/2 bbb:1/2+ ccc+", 2), "") << "it only lost its connection";
}

PlanSettings drained(int goal, unsigned max_down = 1) {
  auto settings = to(goal, Strategy::at_once, max_down);
  settings.drained = {"a"};
  return settings;
}

TEST(Planner, ADrainedHostsIdsMoveOneAfterTheOther) {
  const std::string scene = "aaa:0/2+@a bbb:1/2+@a ccc+@b ddd+@b";
  EXPECT_EQ(plans_of(scene, drained(2)), "aaa:-1/-1 | ccc:0/2 | bbb:-1/-1 | ddd:1/2 ");
  EXPECT_EQ(plans_of(scene, drained(2, 2)), "aaa:-1/-1 bbb:-1/-1 | ccc:0/2 ddd:1/2 ");
  EXPECT_EQ(plans_of("aaa:0/2+@a bbb:1/2+@a ccc+@b ddd+@a", drained(2)), "aaa:-1/-1 | ccc:0/2 ")
      << "for the other there is no place";
  EXPECT_EQ(plans_of("aaa:0,1/3+x2@a bbb:2/3+@a ccc+@b", drained(3)), "bbb:-1/-1 | ccc:2/3 ")
      << "a process moves as a whole";
  EXPECT_EQ(plans_of("aaa:0/2+@a bbb:1/2+x2@b", drained(2)), "aaa:-1/-1 | bbb:0,1/2 ");
  EXPECT_EQ(plans_of("aaa:0/2!@a bbb:1/2@a ccc+@b ddd+@b", drained(2)), "aaa:-1/-1 ccc:0/2 ")
      << "one has left, of the other nothing is known";
}

TEST(Planner, ADrainedHostGetsNoIds) {
  EXPECT_EQ(plans_of("aaa+@a bbb+@b ccc+x2@a", drained(3)), "bbb:0/3 ");
  EXPECT_EQ(plans_of("aaa:0/2+x3@a bbb:1/2+@a", drained(4)), "aaa:0/4 bbb:1/4 ") << "no further ones";
  EXPECT_EQ(plans_of("aaa:0/2+@a bbb:1/2+@b ccc+@b", drained(3)), "ccc:2/3 bbb:1/3 aaa:0/3 ")
      << "what could not be moved goes on with a new count";
  auto settings = drained(4);
  settings.rebalance = true;
  EXPECT_EQ(plans_of("aaa+@a bbb:0,1/4+x2@b ccc:2,3/4+x2@b ddd+@a", settings), "");
}

TEST(Planner, TellsHowFarAHostIsDrained) {
  Scene scene("aaa:0/2+@a bbb:1/2+@a ccc+@b");
  Planner planner(drained(2));
  for (auto& seat : scene.seats) planner.add(seat);
  const auto step = [&] {
    for (auto& seat : scene.seats) planner.changed(seat);
    (void)planner.step(kNever);
    const auto draining = planner.draining("a");
    scene.obey();
    return std::pair(draining.held, draining.over);
  };
  EXPECT_EQ(step(), std::pair(std::size_t{2}, false)) << "aaa has not stopped";
  EXPECT_EQ(step(), std::pair(std::size_t{1}, false)) << "ccc starts";
  EXPECT_EQ(step(), std::pair(std::size_t{1}, true)) << "bbb has no place to go";
  scene.seats[1].stage = Stage::away;
  EXPECT_EQ(step(), std::pair(std::size_t{1}, false)) << "it loses its id when it counts as dead";
  scene.seats[1].info.holder.left = true;
  EXPECT_EQ(step(), std::pair(std::size_t{0}, true));
  EXPECT_EQ(planner.draining("b").held, 0u);
}

TEST(Forecast, OfADrainShowsEachMoveAndWhatStays) {
  Scene scene("aaa:0/3+@a bbb:1/3+@a ccc:2/3+@b ddd+@b");
  const std::vector<Seat> seats(scene.seats.begin(), scene.seats.end());
  const auto result = forecast(seats, drained(3), IdentifyQueue(kNever), kNever);
  std::string moves;
  for (const auto& move : result.moves) moves += move.shard.str() + ':' + to_text({move.to}) + ' ';
  EXPECT_EQ(moves, "aaa:-1/-1 ddd:0/3 ");
  EXPECT_EQ(result.logins, 1);
  EXPECT_EQ(result.stay.at("a"), 1u);
  EXPECT_EQ(result.end.up, 3);
}

TEST(Forecast, WithoutLimitsNothingWaitsForBotsThatSayNothingOfTheirLogin) {
  Scene scene("aaa:0/2+@a bbb:1/2+@b ccc+@b ddd+@c");
  for (auto& seat : scene.seats) seat.mute = true;
  const std::vector<Seat> seats(scene.seats.begin(), scene.seats.end());
  auto settings = drained(2);
  auto result = forecast(seats, settings, IdentifyQueue(kNever), kNever);
  EXPECT_EQ(result.unsure, 0);
  EXPECT_LE(result.takes, 2 * kUsualStart);
  IdentifyQueue limited(kNever);
  limited.limit(IdentifyLimits{});
  result = forecast(seats, settings, std::move(limited), kNever);
  EXPECT_EQ(result.unsure, 1);
  EXPECT_GE(result.takes, kLoginPatience);
}

TEST(Forecast, SaysHowMuchRoomDrainedHostsHave) {
  Scene scene("aaa:0/2+@a bbb:1/2+@b ccc+@b ddd+x3@c eee@c");
  const std::vector<Seat> seats(scene.seats.begin(), scene.seats.end());
  auto settings = drained(2);
  settings.drained = {"b", "c"};
  const auto result = forecast(seats, settings, IdentifyQueue(kNever), kNever);
  EXPECT_EQ(result.drained_room, (std::map<std::string, std::int64_t>{{"b", 1}, {"c", 3}}));
}

TEST(Planner, StepsThatAreCutShortDoTogetherWhatAWholeOneDoes) {
  for (const auto strategy : {Strategy::at_once, Strategy::rolling, Strategy::blue_green}) {
    for (const std::size_t most : {1, 2, 5}) {
      const auto* const text = "aaa:0/3+ bbb:1/3+ ccc:2/3 ddd*+ eee+x2 fff:0/5+ ggg:4/5+ hhh+ iii:3,4/9+x2";
      Scene whole(text), cut(text);
      Planner planner(to(7, strategy)), other(to(3, Strategy::at_once));
      for (auto& seat : cut.seats) {
        planner.add(seat);
        other.add(seat);
      }
      auto expected = text_of(whole.step(to(7, strategy)));
      Plan all;
      for (bool more = true; more;) {
        const auto plan = planner.step(kNever, most);
        EXPECT_LE(plan.changes.size(), most);
        all.changes.insert(all.changes.end(), plan.changes.begin(), plan.changes.end());
        more = plan.more;
      }
      EXPECT_EQ(text_of(all), expected) << to_string(strategy) << ' ' << most;
      EXPECT_FALSE(planner.step(kNever, most).more);
    }
  }
}

TEST(Planner, SeatsThatGoWhileTheSettingsAreNewLeaveNothingBehind) {
  Scene scene("aaa:0/3+ bbb:1/3+ ccc:2/3+ ddd+ eee+");
  Planner planner(to(3, Strategy::at_once));
  for (auto& seat : scene.seats) planner.add(seat);
  (void)planner.step(kNever);
  planner.set(to(5, Strategy::at_once));
  (void)planner.step(kNever, 2);
  EXPECT_EQ(planner.progress().old, 5) << "nobody has been looked at";
  for (const std::size_t gone : {0, 4}) planner.remove(scene.seats[gone]);
  while (planner.step(kNever, 1).more) {
  }
  EXPECT_EQ(planner.progress().placed, 3);
  EXPECT_EQ(planner.progress().old, 0);
  for (const std::size_t gone : {1, 2, 3}) planner.remove(scene.seats[gone]);
  EXPECT_EQ(planner.progress().placed, 0);
}

TEST(Planner, NothingMoreIsPlannedOnceAllObeyed) {
  for (const int goal : {0, 1, 3, 7}) {
    Scene scene("aaa+ bbb:0/3+ ccc:5/9 ddd*+ eee:0/3+ fff:2/7+ ggg");
    for (int i = 0; i < 5; ++i) {
      (void)scene.step(to(goal, Strategy::at_once));
      scene.obey();
    }
    EXPECT_EQ(text_of(scene.step(to(goal, Strategy::at_once))), "") << goal;
  }
}

/// Fleets whose silence counts. Everybody was given its id and heard of at the start; minutes go by in the
/// tests.
struct SilenceTest : testing::Test {
  static constexpr Time kStart = from_unix_ms(1'000'000'000);

  Seat& add(std::string_view shard, int id, int count, bool connected = true) {
    ShardInfo info(name(shard));
    info.last_seen = info.last_heartbeat = info.boot_time = kStart;
    info.goal = info.current = {ShardId{id}, ShardCount{count}};
    auto& seat = seats.emplace_back(std::move(info));
    seat.stage = connected ? fleet::Stage::told : fleet::Stage::away;
    return seat;
  }

  /// The plan after so many seconds, which is made; "!" marks a reboot. An index that has seen everything and
  /// one made anew agree.
  std::string plan_at(int seconds, int goal) {
    auto settings = to(goal, Strategy::at_once);
    settings.patience.since = since;
    if (!planner) {
      planner.emplace(settings);
      for (auto& seat : seats) planner->add(seat);
    }
    planner->set(settings);
    for (auto& seat : seats) planner->changed(seat);
    const auto now = kStart + std::chrono::seconds(seconds);
    auto copy = seats;
    Planner fresh(settings);
    for (auto& seat : copy) fresh.add(seat);
    const auto expected = fresh.step(now);
    const auto plan = planner->step(now);
    EXPECT_EQ(text_of(plan), text_of(expected));
    EXPECT_TRUE(planner->step(now).changes.empty()) << "its own result needs no plan";
    return text_of(plan);
  }

  /// A status of the shard that knows its goal and runs this.
  static void reports(Seat& seat, int id, int count) {
    ShardStatus status;
    status.goal = seat.info.goal;
    status.current = {ShardId{id}, ShardCount{count}};
    believe_status(status, seat.info);
  }

  static void heard(Seat& seat, int seconds) { seat.info.last_seen = kStart + std::chrono::seconds(seconds); }

  std::deque<Seat> seats;
  std::optional<Planner> planner;
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
  info.info.last_heartbeat = kStart + std::chrono::seconds(130);
  EXPECT_EQ(plan_at(240, 1), "");
  EXPECT_EQ(plan_at(250, 1), "aaa! ");
}

TEST_F(SilenceTest, ADeadShardIsReplacedByASpareOnceItsBotMustBeGone) {
  add("aaa", 0, 1, false);
  seats[0].margin = Millis{7'000};
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
  seats[0].stage = fleet::Stage::told;
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
  Seat seat(ShardInfo(name("aaa")));
  const Assignment assignment(ShardId{1}, ShardCount{2});
  apply(assignment, seat.info, kStart);
  apply(Assignment{}, seat.info, kStart);
  ShardStatus early;  // from before it was told either
  early.goal = assignment;
  believe_status(early, seat.info);
  EXPECT_EQ(seat.info.may_run, std::vector<Assignment>{assignment});
  reports(seat, -1, -1);
  EXPECT_TRUE(seat.info.may_run.empty());
}

TEST_F(SilenceTest, TheFirstStatusOfAConnectionIsTheTruth) {
  ShardInfo info(name("aaa"));
  const Assignment assignment(ShardId{1}, ShardCount{2});
  info.goal = info.current = assignment;
  info.may_run = {Assignment(ShardId{0}, ShardCount{1})};
  believe_first_status(ShardStatus{}, info);
  EXPECT_FALSE(info.current.bound());
  EXPECT_TRUE(info.may_run.empty());
  ShardStatus about_to_start;
  about_to_start.goal = assignment;
  believe_first_status(about_to_start, info);
  EXPECT_EQ(info.may_run, std::vector<Assignment>{assignment});
}

TEST_F(SilenceTest, OfTwoWithOneIdTheOlderKeepsIt) {
  add("aaa", 0, 2).info.boot_time = kStart + std::chrono::seconds(5);
  add("bbb", 0, 2);
  EXPECT_EQ(plan_at(10, 2), "aaa:-1/-1 ");
}

TEST_F(SilenceTest, ASpareTakesWhatIsFreeNowInsteadOfWaitingForWhatMayStillRun) {
  auto& stops = add("aaa", 0, 2);
  stops.info.goal = {};  // told to stop, and has not said yet that it has
  add("bbb", 1, 2, false);
  auto& spare = add("ccc", 0, 2);
  spare.info.goal = spare.info.current = {};
  for (auto* const seat : {&stops, &spare}) heard(*seat, 300);
  EXPECT_EQ(plan_at(299, 2), "");
  EXPECT_EQ(plan_at(300, 2), "bbb:-1/-1 ccc:1/2 ");
}

TEST(Assignments, AreTextInTheStore) {
  const std::vector<Assignment> assignments{
      {ShardId{1}, ShardCount{4}}, {{ShardId{20}, ShardId{21}}, ShardCount{80}}, {}};
  EXPECT_EQ(to_text(assignments), "1/4 20,21/80 -1/-1");
  EXPECT_EQ(parse_assignments("1/4 20,21/80 -1/-1"), assignments);
  EXPECT_EQ(parse_assignments(""), std::vector<Assignment>{});
  EXPECT_EQ(parse_assignments("x 1/ x/2 3 1/4  "), (std::vector<Assignment>{{ShardId{1}, ShardCount{4}}}));
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
  EXPECT_TRUE(ring.due(Instant{}, interval, true, kAll).empty());
  std::map<ShardName, int> asked;
  for (int ms = 10; ms <= 3000; ms += 10) {
    const auto due = ring.due(Instant{} + Millis{ms}, interval, true, kAll);
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
  (void)ring.due(Instant{}, Millis{1000}, false, kAll);
  EXPECT_TRUE(ring.due(Instant{} + Millis{999}, Millis{1000}, false, kAll).empty());
  const auto at = Instant{} + Millis{1000};
  const auto first = ring.due(at, Millis{1000}, false, 1);
  EXPECT_EQ(first.size(), 1u);
  EXPECT_EQ(ring.next(at, Millis{1000}, false), at) << "the other one is due as well";
  const auto second = ring.due(at, Millis{1000}, false, 1);
  EXPECT_EQ(second.size(), 1u);
  EXPECT_NE(first, second);
  EXPECT_EQ(ring.next(at, Millis{1000}, false), at + Millis{1000});
}

TEST(Heartbeats, NobodyIsAskedTwiceAfterAPause) {
  HeartbeatRing ring;
  ring.join(name("aaa"));
  ring.join(name("bbb"));
  (void)ring.due(Instant{}, Millis{1000}, true, kAll);
  EXPECT_EQ(ring.due(Instant{} + std::chrono::hours(1), Millis{1000}, true, kAll).size(), 2u);
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
