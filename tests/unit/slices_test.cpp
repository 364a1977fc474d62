// Long work on the loop: in slices, over maps that change meanwhile, and only so much at once.
#include "server/fairness/slices.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <boost/asio/detached.hpp>
#include <map>
#include <string>
#include <vector>

#include "server/fairness/places.hpp"

namespace smaster::server {
namespace {

Instant clock_now{};
Instant fake_clock() { return clock_now; }

TEST(Walk, MeetsWhatIsAddedBehindItAndNotWhatIsRemoved) {
  std::map<std::string, int> map{{"a", 1}, {"b", 2}, {"c", 3}, {"d", 4}};
  Walk<std::string> walk;
  std::string met;
  const auto each = [&met](const auto& entry) { met += entry.first; };
  const auto one = [] { return false; };
  EXPECT_FALSE(walk.over(map, each, one));
  EXPECT_FALSE(walk.over(map, each, one));
  EXPECT_EQ(met, "ab");
  map.erase("b");  // where it stands
  map.erase("c");  // where it would go
  map["aa"] = 5;   // behind
  map["cc"] = 6;   // before it
  EXPECT_TRUE(walk.over(map, each, [] { return true; }));
  EXPECT_EQ(met, "abccd");
}

TEST(Walk, EndsWhenAllIsGone) {
  std::map<std::string, int> map{{"a", 1}, {"b", 2}};
  Walk<std::string> walk;
  const auto nothing = [](const auto&) {};
  EXPECT_FALSE(walk.over(map, nothing, [] { return false; }));
  map.clear();
  EXPECT_TRUE(walk.over(map, nothing, [] { return false; }));
  EXPECT_TRUE(Walk<std::string>().over(map, nothing, [] { return false; }));
}

/// Three thousand entries; each takes a tenth of a slice.
struct Work {
  net::asio::io_context context{1};
  Slices slices{context, fake_clock};
  std::map<int, int> map;
  std::string order;  ///< of slices and of what else runs

  Work() {
    for (int i = 0; i < 3000; ++i) map[i] = i;
  }
  net::Task<> walk(const char* who, char sign) {
    Slice slice(slices, who);
    co_await slice.next();
    int in_slice = 0;
    Walk<int> at;
    const auto go_on = [&slice] { return !slice.over(); };
    const auto each = [&in_slice](const auto&) {
      ++in_slice;
      clock_now += std::chrono::duration_cast<Instant::duration>(Slices::kLength) / 10;
    };
    while (!at.over(map, each, go_on)) {
      EXPECT_EQ(std::exchange(in_slice, 0), 10);
      order += sign;
      co_await slice.next();
    }
    order += sign;
  }
  /// Others' business: always ready.
  void other(int times) {
    order += '.';
    if (times > 1) net::asio::post(context, [this, times] { other(times - 1); });
  }
};

TEST(Slices, BetweenTwoSlicesAllElseIsServed) {
  Work work;
  net::asio::co_spawn(work.context, work.walk(kForOperators, 'a'), net::asio::detached);
  net::asio::post(work.context, [&work] { work.other(2000); });
  work.context.run();
  EXPECT_EQ(std::count(work.order.begin(), work.order.end(), 'a'), 300);
  EXPECT_EQ(work.order.find("aa"), std::string::npos) << work.order;
}

TEST(Slices, HoweverManyWalkOneSliceIsDoneAtATimeAndKindsTakeTurns) {
  Work work;
  for (int i = 0; i < 10; ++i) {
    net::asio::co_spawn(work.context, work.walk(kForStrangers, 's'), net::asio::detached);
  }
  net::asio::co_spawn(work.context, work.walk(kForOperators, 'o'), net::asio::detached);
  net::asio::post(work.context, [&work] { work.other(20'000); });
  work.context.run();
  EXPECT_EQ(std::count(work.order.begin(), work.order.end(), 's'), 3000);
  for (const auto* const two : {"ss", "so", "os", "oo"}) {
    EXPECT_EQ(work.order.find(two), std::string::npos) << two;
  }
  // The operator's 300 are among the first 700: one of ten strangers' in between.
  std::string slices;
  for (const char c : work.order) {
    if (c != '.') slices += c;
  }
  EXPECT_LT(slices.rfind('o'), 700U);
}

TEST(Places, SoManyInAllAndForOneKeyUntilTheyAreGivenBack) {
  Places places(3, 2);
  auto first = places.take("a");
  const auto second = places.take("a");
  EXPECT_TRUE(first && second);
  EXPECT_FALSE(places.take("a"));
  const auto third = places.take("b");
  EXPECT_TRUE(third);
  EXPECT_FALSE(places.take("c"));
  first.reset();
  EXPECT_TRUE(places.take("c"));
  EXPECT_TRUE(places.take("a"));
}

TEST(Places, MayBeGivenBackWhenTheyAreGone) {
  std::shared_ptr<void> place;
  {
    Places places(1, 1);
    place = places.take("a");
  }
  place.reset();
}

}  // namespace
}  // namespace smaster::server
