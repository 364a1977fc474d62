// One event loop, its tasks, and a clock that a test advances: for parts that need no whole server.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <optional>
#include <utility>

#include "net/asio.hpp"
#include "net/clock.hpp"
#include "net/task_scope.hpp"

namespace smaster {

class LoopTest : public testing::Test {
 protected:
  /// `result` has no value until the task has ended.
  template <class Value>
  void spawn(net::Task<Value> task, std::optional<Value>& result) {
    result.reset();
    tasks_.spawn("test", store_result(std::move(task), result));
  }
  template <class Value>
  static net::Task<> store_result(net::Task<Value> task, std::optional<Value>& result) {
    result = co_await std::move(task);
  }
  void spawn(net::Task<> task, bool& ended) {
    ended = false;
    tasks_.spawn("test", note_end(std::move(task), ended));
  }
  static net::Task<> note_end(net::Task<> task, bool& ended) {
    co_await std::move(task);
    ended = true;
  }
  /// Runs handlers; false if it is not done and nothing is left to happen.
  bool run_until(const std::function<bool()>& done) {
    context_.restart();
    while (!done()) {
      if (context_.run_one() == 0) return false;
    }
    return true;
  }
  /// Until all tasks have ended.
  void run() {
    EXPECT_TRUE(run_until([this] { return tasks_.running() == 0; })) << "a task waits for nothing";
    poll();
  }
  /// Runs what can run now.
  void poll() {
    context_.restart();
    context_.poll();
  }
  /// Time passes, and what is due then happens.
  void pass(net::Clock::duration time) {
    net::Clock::advance(time);
    // The event loop looks at its timers when the first of them is due, or another becomes the first.
    net::Timer first(context_.get_executor(), Instant::min());
    first.async_wait([](boost::system::error_code) {});
    poll();
  }

  net::asio::io_context context_{1};
  net::TaskScope tasks_{context_.get_executor(), "test"};
};

}  // namespace smaster
