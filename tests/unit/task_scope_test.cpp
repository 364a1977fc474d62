// Coroutines that are owned, and work in pools that comes back at once.
#include <gtest/gtest.h>

#include <future>
#include <stdexcept>
#include <vector>

#include "net/task_scope.hpp"

using namespace smaster;
namespace asio = net::asio;

namespace {

net::Task<> wait_for_ever(net::Executor executor) {
  net::Timer timer(executor, net::Timer::time_point::max());
  co_await timer.async_wait(net::use_task);
}

net::Task<> fail_later(net::Executor executor) {
  co_await asio::post(executor, net::use_task);
  throw std::runtime_error("no luck");
}

net::Task<> fail_at_once() {
  throw std::runtime_error("no luck");
  co_return;
}

net::Task<> hold(net::Busy::Guard, net::Task<> task) { co_await std::move(task); }

}  // namespace

TEST(RunIn, ComesBackBeforeWhatIsQueuedBehindIt) {
  asio::io_context context;
  asio::thread_pool pool(1);
  std::promise<void> first_is_back;
  auto back = first_is_back.get_future().share();
  bool in_time = false;
  const auto first = [&]() -> net::Task<> {
    const auto work = [] { return 1; };
    EXPECT_EQ(co_await net::run_in(pool, work), 1);
    first_is_back.set_value();
  };
  // The pool's only thread waits for the first one's end: were that queued in the pool, both would wait.
  const auto second = [&]() -> net::Task<> {
    const auto work = [&] { in_time = back.wait_for(std::chrono::seconds(10)) == std::future_status::ready; };
    co_await net::run_in(pool, work);
  };
  net::TaskScope tasks(context.get_executor(), "test");
  tasks.spawn("first", first());
  tasks.spawn("second", second());
  context.run();
  EXPECT_TRUE(in_time);
}

TEST(RunIn, ThrowsWhatTheWorkThrows) {
  asio::io_context context;
  asio::thread_pool pool(1);
  std::string what;
  const auto task = [&]() -> net::Task<> {
    const auto work = []() -> int { throw std::runtime_error("bad work"); };
    try {
      co_await net::run_in(pool, work);
    } catch (const std::runtime_error& error) {
      what = error.what();
    }
  };
  net::TaskScope tasks(context.get_executor(), "test");
  tasks.spawn("throws", task());
  context.run();
  EXPECT_EQ(what, "bad work");
}

TEST(TaskScope, RecoversFromATaskThatThrows) {
  asio::io_context context;
  net::TaskScope tasks(context.get_executor(), "test");
  int recovered = 0;
  tasks.spawn("later", fail_later(context.get_executor()), [&] { ++recovered; });
  tasks.spawn("at once", fail_at_once(), [&] { ++recovered; });
  EXPECT_EQ(recovered, 0) << "an end inside the caller";
  context.run();
  EXPECT_EQ(recovered, 2);
  EXPECT_EQ(tasks.running(), 0u);
}

TEST(TaskScope, StartsAgainWhatIsToRunAllTheTime) {
  asio::io_context context;
  net::TaskScope tasks(context.get_executor(), "test");
  int runs = 0;
  tasks.keep_running("fails once", [&]() -> net::Task<> {
    return ++runs == 1 ? fail_later(context.get_executor()) : wait_for_ever(context.get_executor());
  });
  net::TaskScope others(context.get_executor(), "others");
  const auto end = [&]() -> net::Task<> {
    while (runs < 2) co_await asio::post(context.get_executor(), net::use_task);
    co_await tasks.join();
  };
  others.spawn("joins", end());
  context.run();
  EXPECT_EQ(runs, 2);
}

TEST(TaskScope, JoinCancelsAndWaitsForAll) {
  asio::io_context context;
  net::TaskScope tasks(context.get_executor(), "test");
  net::TaskScope others(context.get_executor(), "others");
  bool recovered = false;
  bool joined = false;
  tasks.spawn("waits", wait_for_ever(context.get_executor()), [&] { recovered = true; });
  tasks.spawn("waits, too", wait_for_ever(context.get_executor()));
  const auto end = [&]() -> net::Task<> {
    co_await tasks.join();
    EXPECT_EQ(tasks.running(), 0u);
    joined = true;
  };
  others.spawn("joins", end());
  context.run();
  EXPECT_TRUE(joined);
  EXPECT_FALSE(recovered) << "a cancelled task has not failed";
  tasks.spawn("too late", fail_at_once());
  EXPECT_EQ(tasks.running(), 0u);
}

TEST(TaskScope, ATaskMayEndItsScope) {
  asio::io_context context;
  auto tasks = std::make_unique<net::TaskScope>(context.get_executor(), "test");
  const auto end = [&]() -> net::Task<> {
    tasks.reset();
    co_return;
  };
  tasks->spawn("waits", wait_for_ever(context.get_executor()));
  tasks->spawn("ends it", end());
  context.run();
  EXPECT_FALSE(tasks);
}

TEST(Busy, IsOverHoweverTheWorkEnds) {
  net::Busy busy;
  {
    asio::io_context context;
    net::TaskScope tasks(context.get_executor(), "test");
    tasks.spawn("fails", hold(busy.begin(), fail_later(context.get_executor())));
    EXPECT_TRUE(busy);
    context.run();
    EXPECT_FALSE(busy) << "after an exception";
    tasks.spawn("waits", hold(busy.begin(), wait_for_ever(context.get_executor())));
    context.restart();
    context.poll();
    EXPECT_TRUE(busy);
  }
  EXPECT_FALSE(busy) << "after its context has gone";
}
