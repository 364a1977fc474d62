// The project's size is measured while files come and go, the folder is missing, or the end comes in between.
#include "agent/bot/storage_gauge.hpp"

#include <filesystem>
#include <fstream>
#include <latch>

#include "loop_fixture.hpp"

namespace smaster::agent {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

class MeasuredStorage : public LoopTest {
 protected:
  MeasuredStorage() {
    std::string pattern = testing::TempDir() + "smaster-gauge-XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    gauge_.emplace(context_, pool_, folder_);
  }
  ~MeasuredStorage() override {
    go_on();
    gauge_->stop();
    run();
    pool_.join();
    std::filesystem::remove_all(folder_);
  }

  void begin() {
    spawn(gauge_->run(), ended_);
    poll();
  }
  void file(const std::string& name, std::size_t size) {
    std::filesystem::create_directories((folder_ / name).parent_path());
    std::ofstream(folder_ / name) << std::string(size, 'x');
  }
  /// Until the measured size is this one.
  [[nodiscard]] bool measures(double total) {
    return run_until([&] { return gauge_->latest().total == total; });
  }
  /// What follows in the pool waits until `go_on`.
  void hold() {
    net::asio::post(pool_, [this] { held_.wait(); });
  }
  void go_on() {
    if (!std::exchange(gone_on_, true)) held_.count_down();
  }
  /// Until the pool has done what it was given.
  void idle() {
    std::latch done(1);
    net::asio::post(pool_, [&] { done.count_down(); });
    done.wait();
    poll();
  }

  std::filesystem::path folder_;
  std::latch held_{1};
  bool gone_on_ = false;
  net::asio::thread_pool pool_{1};
  std::optional<StorageGauge> gauge_;
  bool ended_ = false;
};

TEST_F(MeasuredStorage, IsThatOfTheBeginningAndThenOfEveryFiveMinutes) {
  file("a", 10);
  file("save/users/b", 5);
  begin();
  ASSERT_TRUE(measures(15));
  EXPECT_EQ(gauge_->latest().users, 5);
  file("c", 100);
  pass(minutes(4));
  idle();
  EXPECT_EQ(gauge_->latest().total, 15) << "a walk over all files costs too much to be repeated now";
  pass(minutes(2));
  ASSERT_TRUE(measures(115));
}

TEST_F(MeasuredStorage, AFolderThatIsMissingIsMeasuredOnceItIsThere) {
  std::filesystem::remove(folder_);
  begin();
  idle();
  EXPECT_EQ(gauge_->latest().total, 0);
  file("a", 10);
  pass(minutes(6));
  ASSERT_TRUE(measures(10));
}

TEST_F(MeasuredStorage, WithoutAFolderNothingIsMeasured) {
  gauge_.emplace(context_, pool_, "");
  begin();
  ASSERT_TRUE(run_until([this] { return ended_; }));
}

TEST_F(MeasuredStorage, WhatTakesLongIsDoneRarely) {
  file("a", 10);
  hold();
  begin();
  pass(seconds(2));  // the measuring takes this time
  go_on();
  ASSERT_TRUE(measures(10));
  file("b", 10);
  pass(minutes(60));
  idle();
  EXPECT_EQ(gauge_->latest().total, 10);
  pass(minutes(10));
  ASSERT_TRUE(measures(20));
}

TEST_F(MeasuredStorage, StoppingEndsThePause) {
  file("a", 10);
  begin();
  ASSERT_TRUE(measures(10));
  gauge_->stop();
  ASSERT_TRUE(run_until([this] { return ended_; }));
}

TEST_F(MeasuredStorage, StoppingWhileItMeasuresEndsItAfterThatWithoutAPause) {
  hold();
  begin();
  gauge_->stop();
  poll();
  EXPECT_FALSE(ended_) << "the pool still uses it";
  go_on();
  ASSERT_TRUE(run_until([this] { return ended_; }));
}

TEST_F(MeasuredStorage, CancellingWhileItMeasuresWaitsForThePool) {
  net::TaskScope tasks(context_.get_executor(), "test");
  hold();
  tasks.spawn("measure", gauge_->run());
  tasks.cancel();
  poll();
  EXPECT_EQ(tasks.running(), 1U) << "the pool still uses it";
  go_on();
  ASSERT_TRUE(run_until([&] { return tasks.running() == 0; }));
}

}  // namespace
}  // namespace smaster::agent
