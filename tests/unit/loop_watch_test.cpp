#include "net/loop_watch.hpp"

#include <gtest/gtest.h>

#include <ctime>
#include <thread>
#include <vector>

namespace smaster::net {
namespace {

using std::chrono::seconds;

TEST(LoopWatch, TheLongestIsOfTheLastOneToTwoMinutes) {
  LoopWatch watch;
  const Instant start{seconds(1000)};
  watch.add(start, Millis{30}, Millis{30});
  watch.add(start + seconds(1), Millis{3}, Millis{3});
  EXPECT_EQ(watch.longest(start + seconds(2)), Millis{30});
  watch.add(start + seconds(61), Millis{7}, Millis{7});
  EXPECT_EQ(watch.longest(start + seconds(100)), Millis{30});
  EXPECT_EQ(watch.longest(start + seconds(125)), Millis{7});
  EXPECT_EQ(watch.longest(start + seconds(300)), Millis{0});
}

TEST(LoopWatch, CountsTurnsAboveTheBoundAndTheTimeOfAll) {
  LoopWatch watch;
  const Instant start{seconds(1000)};
  watch.add(start, Millis{5}, Millis{5});
  watch.add(start, Millis{6}, Millis{6});
  watch.add(start, Millis{70}, Millis{70});
  watch.add(start, Millis{9}, Millis{2});
  EXPECT_EQ(watch.worked_long(), 2U);
  EXPECT_EQ(watch.stood_long(), 1U);
  EXPECT_EQ(watch.busy(), Millis{90});
}

TEST(LoopWatch, ComplainsOfVeryLongTurnsAtMostEveryTenSeconds) {
  LoopWatch watch;
  std::vector<std::uint64_t> said;
  watch.complain = [&said](LoopWatch::Duration, LoopWatch::Duration, std::uint64_t turns) {
    said.push_back(turns);
  };
  const Instant start{seconds(1000)};
  watch.add(start, Millis{40}, Millis{40});
  watch.add(start, Millis{60}, Millis{60});
  watch.add(start + seconds(5), Millis{60}, Millis{60});
  watch.add(start + seconds(9), Millis{80}, Millis{80});
  watch.add(start + seconds(11), Millis{60}, Millis{60});
  EXPECT_EQ(said, (std::vector<std::uint64_t>{1, 3}));
}

TEST(LoopWatch, MeasuresWhatRunsAndNotTheWait) {
  asio::io_context context(1);
  LoopWatch watch;
  static constexpr Millis kWait{1000};
  static constexpr Millis kWork{30};
  Timer timer(context.get_executor(), kWait);
  timer.async_wait([](boost::system::error_code) {
    const auto before = std::clock();
    while (std::clock() - before < CLOCKS_PER_SEC * kWork.count() / 1000) {
    }
  });
  watch.run(context);
  EXPECT_GE(watch.longest(now()), kWork);
  EXPECT_LT(watch.longest(now()), kWait);
  EXPECT_EQ(watch.worked_long(), 1U);
}

TEST(LoopWatch, WhatStandsHasNotWorked) {
  asio::io_context context(1);
  LoopWatch watch;
  asio::post(context, [] { std::this_thread::sleep_for(Millis{50}); });
  watch.run(context);
  EXPECT_GE(watch.longest(now()), Millis{50});
  EXPECT_EQ(watch.stood_long(), 1U);
  EXPECT_EQ(watch.worked_long(), 0U);
}

}  // namespace
}  // namespace smaster::net
