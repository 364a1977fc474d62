// The stages of a seat: the picture in docs/architecture.md, the transition table, and what Orders does,
// agree.
#include "fleet/seat.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "fleet/orders.hpp"

namespace smaster::fleet {
namespace {

using Step = std::pair<Stage, Stage>;

constexpr Time kStart = from_unix_ms(1'000'000'000);

std::optional<Stage> parse_stage(std::string_view word) {
  const auto* const found = std::find_if(std::begin(kStages), std::end(kStages),
                                         [word](Stage stage) { return to_string(stage) == word; });
  return found == std::end(kStages) ? std::nullopt : std::optional(*found);
}

/// The arrows of the picture, and what each says.
std::map<Step, std::string> drawn() {
  std::map<Step, std::string> steps;
  std::ifstream page(SMASTER_SOURCE "/docs/architecture.md");
  for (std::string line; std::getline(page, line);) {
    constexpr std::string_view kArrow = " --> ";
    const auto arrow = line.find(kArrow);
    const auto colon = line.find(": ", arrow);
    if (arrow == std::string::npos || colon == std::string::npos) continue;
    const auto from = parse_stage(std::string_view(line).substr(2, arrow - 2));
    const auto begin = arrow + kArrow.size();
    const auto to = parse_stage(std::string_view(line).substr(begin, colon - begin));
    if (from && to) steps.emplace(Step(*from, *to), line.substr(colon + 2));
  }
  return steps;
}

/// One shard, and the server's side of it.
struct Life {
  Life() {
    seat.info.last_seen = kStart;
    settings.goal = ShardCount{1};
    settings.auto_generate = false;
    settings.patience.since = kStart;
    orders.set(settings);
    orders.add(seat);
  }

  void connects(bool agent = false) { orders.joined(seat, agent, now); }
  void says(const Assignment& runs, std::int64_t refused = 0) {
    ShardStatus status;
    status.goal = status.current = runs;
    status.start_time = now += Millis{1'000};
    if (refused != 0) {
      auto& report = status.bot.emplace().gateways.emplace_back();
      report.id = runs.first();
      report.state = "refused";
      report.code = refused;
    }
    (void)orders.status(seat, status, now);
  }
  void plans() {
    const auto plan = orders.plan(now);
    orders.saved(plan.changes, now);
  }
  /// A new goal gives the shard another assignment, which is not saved yet.
  void another_goal() {
    settings.goal = ShardCount{2};
    orders.set(settings);
    (void)orders.plan(now);
  }
  void has_its_turn() {
    for (int i = 0; i < 1'000 && seat.stage == Stage::waiting; ++i) orders.tick(now += Millis{100});
  }

  void reach(Stage stage) {
    switch (stage) {
      case Stage::away:
        return;
      case Stage::unheard:
        return connects(true);
      case Stage::untold:
        return connects();
      case Stage::waiting:
        connects();
        orders.limit({});
        return plans();
      case Stage::told:
        reach(Stage::waiting);
        has_its_turn();
        return says(seat.info.goal);
      case Stage::parked:
        reach(Stage::told);
        return says(seat.info.goal, 4004);
      case Stage::stopping:
        reach(Stage::told);
        return orders.reboot(seat, now);
    }
  }

  Time now = kStart;
  PlanSettings settings;
  Seat seat{ShardInfo(*ShardName::parse("aaa"))};
  Orders orders{settings, kStart};
};

/// What leads from one stage to another.
std::map<Step, std::function<void(Life&)>> walks() {
  using enum Stage;
  const auto leaves = [](Life& life) { life.orders.left(life.seat); };
  const auto reboots = [](Life& life) { life.orders.reboot(life.seat, life.now); };
  const auto another_goal = [](Life& life) { life.another_goal(); };
  std::map<Step, std::function<void(Life&)>> all{
      {{away, unheard}, [](Life& life) { life.connects(true); }},
      {{away, untold}, [](Life& life) { life.connects(); }},
      {{unheard, untold}, [](Life& life) { life.says({}); }},
      {{untold, told},
       [leaves](Life& life) {
         leaves(life);
         life.reach(told);
         leaves(life);
         life.connects(true);
         life.says(life.seat.info.goal);
         ASSERT_EQ(life.seat.stage, untold);
         life.plans();
       }},
      {{untold, waiting},
       [](Life& life) {
         life.orders.limit({});
         life.plans();
       }},
      {{untold, parked},
       [leaves](Life& life) {
         leaves(life);
         life.reach(parked);
         leaves(life);
         life.connects();
         ASSERT_EQ(life.seat.stage, untold);
         life.plans();
       }},
      {{waiting, told}, [](Life& life) { life.has_its_turn(); }},
      {{waiting, untold}, another_goal},
      {{told, untold}, another_goal},
      {{parked, untold}, another_goal},
      {{stopping, untold}, [](Life& life) { life.says({}); }},
  };
  for (const auto stage : kStages) {
    if (stage != away) all[{stage, away}] = leaves;
    if (stage != away && stage != unheard && stage != stopping) all[{stage, stopping}] = reboots;
  }
  return all;
}

TEST(SeatStages, ThePictureShowsWhatMayFollowWhat) {
  const auto steps = drawn();
  EXPECT_GE(steps.size(), 20u);
  for (const auto from : kStages) {
    for (const auto to : kStages) {
      EXPECT_EQ(steps.contains({from, to}), may_follow(from, to))
          << to_string(from) << " --> " << to_string(to);
    }
  }
}

TEST(SeatStages, EachArrowIsWalked) {
  const auto ways = walks();
  for (const auto& [step, event] : drawn()) {
    const auto way = ways.find(step);
    ASSERT_NE(way, ways.end()) << event;
    Life life;
    life.reach(step.first);
    ASSERT_EQ(life.seat.stage, step.first) << event;
    way->second(life);
    EXPECT_EQ(life.seat.stage, step.second) << to_string(step.first) << ": " << event;
  }
}

TEST(SeatStages, WhoDoesNotStopInTimeIsToldItsAssignmentAgain) {
  Life life;
  life.reach(Stage::stopping);
  (void)life.orders.take_orders();
  life.orders.tick(life.now += Millis{9'000});
  EXPECT_EQ(life.seat.stage, Stage::stopping);
  EXPECT_LE(life.orders.next(life.now), life.now + Millis{1'000}) << "also if it says nothing any more";
  life.orders.tick(life.now += Millis{1'000});
  EXPECT_EQ(life.seat.stage, Stage::waiting) << "its bot has to log in anew";
  EXPECT_TRUE(life.orders.take_orders().empty());
}

TEST(SeatStages, AnAgentThatSendsNoStatusIsDisconnectedInTheEnd) {
  Life life;
  life.reach(Stage::unheard);
  const auto late = kStart + life.settings.patience.assume_dead_after;
  life.orders.tick(late - Millis{1});
  EXPECT_TRUE(life.orders.take_orders().empty());
  EXPECT_EQ(life.orders.next(late - Millis{1}), late);
  life.orders.tick(late);
  const auto orders = life.orders.take_orders();
  ASSERT_EQ(orders.size(), 1u);
  EXPECT_EQ(orders.front().kind, Order::Kind::drop);
  life.orders.tick(late + Millis{1'000});
  EXPECT_TRUE(life.orders.take_orders().empty()) << "once";
}

TEST(SeatStages, WhoIsToRespawnBeforeItsFirstStatusDoesSoAfterIt) {
  Life life;
  life.reach(Stage::told);
  const auto goal = life.seat.info.goal;
  life.orders.left(life.seat);
  life.connects(true);
  (void)life.orders.take_orders();
  life.orders.respawn(life.seat, life.now);
  life.has_its_turn();
  EXPECT_EQ(life.seat.stage, Stage::unheard);
  EXPECT_TRUE(life.orders.take_orders().empty()) << "what it runs is not known yet";
  const auto before = life.now - Millis{500};
  ShardStatus status;
  status.goal = status.current = goal;
  status.start_time = before;
  (void)life.orders.status(life.seat, status, life.now);
  life.plans();
  std::vector<Order> orders;
  for (int i = 0; i < 1'000 && orders.empty(); ++i) {
    life.orders.tick(life.now += Millis{100});
    for (const auto& order : life.orders.take_orders()) {
      if (order.kind == Order::Kind::respawn) orders.push_back(order);
    }
  }
  EXPECT_EQ(orders.size(), 1u);
}

}  // namespace
}  // namespace smaster::fleet
