// An answer in lines to a reader that does not read.
#include "control/stream.hpp"

#include <gtest/gtest.h>

#include <boost/asio/detached.hpp>
#include <memory>
#include <vector>

namespace smaster::control {
namespace {

class LineStreams : public ::testing::Test {
 protected:
  net::asio::io_context context{1};
  LineStream lines{context.get_executor()};
  const std::string mebibyte = std::string(1 << 20, 'x');
};

TEST_F(LineStreams, WhatIsOfferedWithoutRoomIsRefused) {
  std::size_t taken = 0;
  while (lines.offer(mebibyte)) ++taken;
  EXPECT_EQ(taken, LineStream::kRoom / mebibyte.size());
  EXPECT_EQ(lines.waiting(), LineStream::kRoom);
  lines.push("a short one");
  EXPECT_FALSE(lines.gone());
}

TEST_F(LineStreams, AllTogetherHaveABoundWithinWhichEachHasALittle) {
  std::vector<std::unique_ptr<LineStream>> others;
  for (std::size_t i = 0; i < LineStream::kRoomOfAll / LineStream::kRoom; ++i) {
    others.push_back(std::make_unique<LineStream>(context.get_executor()));
    while (others.back()->offer(mebibyte)) {
    }
    EXPECT_EQ(others.back()->waiting(), LineStream::kRoom);
  }
  EXPECT_TRUE(lines.offer(mebibyte));
  EXPECT_FALSE(lines.offer("x"));
  others.pop_back();
  EXPECT_TRUE(lines.offer("x"));
}

TEST_F(LineStreams, OneLineMayBeLongerThanTheRoom) {
  EXPECT_TRUE(lines.offer(std::string(2 * LineStream::kRoom, 'x')));
  EXPECT_FALSE(lines.offer("x"));
}

TEST_F(LineStreams, AReaderThatLeavesTheReserveUnreadIsCutOff) {
  for (std::size_t i = 0; i <= 100; ++i) lines.push(mebibyte);
  EXPECT_TRUE(lines.gone());
  EXPECT_EQ(lines.waiting(), 0U);
  EXPECT_TRUE(lines.offer(mebibyte)) << "nobody misses it";
  EXPECT_EQ(lines.waiting(), 0U);
}

TEST_F(LineStreams, RoomIsThereAtOnceAndNotWithoutAReader) {
  int answers = 0;
  const auto ask = [this, &answers]() -> net::Task<> { answers += co_await lines.room() ? 1 : 10; };
  net::asio::co_spawn(context, ask(), net::asio::detached);
  context.run();
  EXPECT_EQ(answers, 1);
  while (lines.offer(mebibyte)) {
  }
  net::asio::co_spawn(context, ask(), net::asio::detached);
  context.restart();
  context.poll();
  EXPECT_EQ(answers, 1);
  for (std::size_t i = 0; i < 100; ++i) lines.push(mebibyte);
  context.restart();
  context.run();
  EXPECT_EQ(answers, 11);
}

}  // namespace
}  // namespace smaster::control
