// Sockets that Asio does not watch: who is told, in which turn, and what one costs another.
#include "net/poller.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <functional>
#include <stdexcept>

#include "loop_fixture.hpp"

namespace smaster::net {
namespace {

/// One end of a socket pair; the test has the other.
class Watched final : public Ready, public std::enable_shared_from_this<Watched> {
 public:
  explicit Watched(Poller& poller) : poller_(poller) {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    own_ = Fd(ends[0]);
    peer = Fd(ends[1]);
  }
  void add() { EXPECT_FALSE(poller_.add(own_.get(), shared_from_this(), key_)); }
  void remove() { poller_.remove(own_.get(), key_); }
  void want_writable() { poller_.want_writable(own_.get(), key_); }
  void say() const { EXPECT_EQ(::write(peer.get(), "x", 1), 1); }

  void readable() override {
    char bytes[16];
    reads += ::read(own_.get(), bytes, sizeof bytes) > 0 ? 1 : 0;
    if (on_readable) on_readable();
  }
  void writable() override { ++writes; }
  void flush() override { ++flushes; }
  void failed(const std::exception&) override {
    ++failures;
    remove();
  }

  Fd peer;
  std::function<void()> on_readable;
  int reads = 0, writes = 0, flushes = 0, failures = 0;

 private:
  Poller& poller_;
  Fd own_;
  Poller::Key key_;
};

class PollerTest : public LoopTest {
 protected:
  ~PollerTest() override {
    for (const auto& one : all_) one->remove();
    poll();
  }
  std::shared_ptr<Watched> watch() {
    all_.push_back(std::make_shared<Watched>(Poller::of(context_)));
    all_.back()->add();
    return all_.back();
  }

 private:
  std::vector<std::shared_ptr<Watched>> all_;
};

TEST_F(PollerTest, TellsThoseWithDataAndNobodyElse) {
  const auto one = watch();
  const auto two = watch();
  one->say();
  poll();
  EXPECT_EQ(one->reads, 1);
  EXPECT_EQ(two->reads, 0);
  one->want_writable();
  poll();
  EXPECT_EQ(one->writes, 1) << "once";
  EXPECT_EQ(two->writes, 0);
}

TEST_F(PollerTest, AnExceptionOfOneCostsTheOthersNothing) {
  const auto bad = watch();
  const auto good = watch();
  bad->on_readable = [] { throw std::runtime_error("planted"); };
  bad->say(), good->say();
  poll();
  EXPECT_EQ(bad->failures, 1);
  EXPECT_EQ(good->reads, 1);
  good->say();
  poll();
  EXPECT_EQ(good->reads, 2);
}

TEST_F(PollerTest, WhoWasRemovedInTheSameTurnIsNotCalled) {
  const auto one = watch();
  const auto two = watch();
  one->on_readable = [&] { two->remove(); };
  two->on_readable = [&] { one->remove(); };
  one->say(), two->say();
  poll();
  EXPECT_EQ(one->reads + two->reads, 1);
}

TEST_F(PollerTest, ASlotThatIsUsedAgainGetsNoEventOfItsFormerOwner) {
  const auto first = watch();
  const auto second = watch();
  std::shared_ptr<Watched> third;
  first->on_readable = second->on_readable = [&] {
    if (third) return;
    (first->reads > 0 ? second : first)->remove();
    third = watch();
  };
  first->say(), second->say();
  poll();
  EXPECT_EQ(first->reads + second->reads, 1);
  EXPECT_EQ(third->reads, 0);
  third->say();
  poll();
  EXPECT_EQ(third->reads, 1);
}

TEST_F(PollerTest, WhoWasNeverWatchedTakesNobodysPlace) {
  const auto first = watch();
  const auto never = std::make_shared<Watched>(Poller::of(context_));
  never->remove();
  first->say();
  poll();
  EXPECT_EQ(first->reads, 1);
}

TEST_F(PollerTest, WhileManyAreActiveWhatComesWithinTenMillisecondsIsReadTogether) {
  std::vector<std::shared_ptr<Watched>> many;
  for (int i = 0; i < 8; ++i) many.push_back(watch());
  const auto reads = [&] {
    int sum = 0;
    for (const auto& each : many) sum += each->reads;
    return sum;
  };
  const auto all_say = [&] {
    for (const auto& each : many) each->say();
  };
  all_say();
  poll();
  EXPECT_EQ(reads(), 8) << "the first are not kept waiting";
  pass(Millis{10});
  all_say();
  poll();
  EXPECT_EQ(reads(), 16);
  const auto begun = Clock::now();
  all_say();
  poll();
  const bool in_time = Clock::now() < begun + Millis{5};  // the machine may be busy
  if (in_time) {
    EXPECT_EQ(reads(), 16) << "in ten milliseconds";
  }
  pass(Millis{10});
  EXPECT_EQ(reads(), 24);
  pass(Millis{10});
  pass(Millis{10});  // nothing came in the last window
  many.front()->say();
  poll();
  EXPECT_EQ(reads(), 25) << "a single one is not kept waiting";
}

TEST_F(PollerTest, MoreOfALargeMessageIsNotKeptWaiting) {
  std::vector<std::shared_ptr<Watched>> many;
  for (int i = 0; i < 8; ++i) many.push_back(watch());
  for (int round = 0; round < 2; ++round) {
    for (const auto& each : many) each->say();
    many.front()->on_readable = [&] { Poller::of(context_).do_not_pause(); };
    poll();
    pass(Millis{10});
  }
  many.front()->say();
  poll();
  const int before = many.front()->reads;
  many.front()->say();
  poll();
  EXPECT_EQ(many.front()->reads, before + 1);
}

TEST_F(PollerTest, WhatIsQueuedIsFlushedAtTheEndOfTheTurn) {
  const auto one = watch();
  auto& poller = Poller::of(context_);
  poller.flush_soon(one);
  EXPECT_EQ(one->flushes, 0);
  poll();
  EXPECT_EQ(one->flushes, 1);
  one->on_readable = [&] {
    poller.flush_soon(one);
    EXPECT_EQ(one->flushes, 1);
  };
  one->say();
  poll();
  EXPECT_EQ(one->flushes, 2);
}

TEST_F(PollerTest, ALoopWithoutSocketsEnds) {
  const auto one = watch();
  one->say();
  poll();
  one->remove();
  context_.restart();
  context_.run();
  const auto again = watch();
  again->say();
  poll();
  EXPECT_EQ(again->reads, 1);
}

}  // namespace
}  // namespace smaster::net
