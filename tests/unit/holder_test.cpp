#include "records/holder.hpp"

#include <gtest/gtest.h>

#include "fleet/seat.hpp"

namespace smaster::fleet {
namespace {

using std::chrono::seconds;

TEST(Holder, IsKeptAsText) {
  const Holder holder{"abc", "b-1", "host.example", Millis{30'000}};
  EXPECT_EQ(parse_holder(to_text(holder)), holder);
  EXPECT_EQ(to_text(Holder{}), "");
  EXPECT_FALSE(parse_holder("").known());
  EXPECT_FALSE(parse_holder("[1]").known());
}

TEST(Holder, ThatItHasLeftIsKeptAndIsNoAgent) {
  Holder holder;
  holder.left = true;
  EXPECT_EQ(parse_holder(to_text(holder)), holder);
  EXPECT_FALSE(holder.known());
  EXPECT_FALSE(parse_holder(R"({"instance":"abc","left":true})").left) << "an agent is there";
}

TEST(Holder, OfWhatAgentsSayOnlyPlainShortTextIsTaken) {
  const auto holder = parse_holder(R"({"instance":"a b\u001b[31m","boot":5,"machine":")" +
                                   std::string(300, 'x') + R"(","term":-5})");
  EXPECT_EQ(holder.instance, "ab31m");
  EXPECT_EQ(holder.boot, "");
  EXPECT_EQ(holder.machine.size(), 64u);
  EXPECT_EQ(holder.term, Millis{0});
}

TEST(Holder, TheSameConfigInAnotherBootIsAnother) {
  const Holder one{"abc", "1", "host", {}};
  EXPECT_TRUE(one.is({"abc", "1", "renamed", Millis{5}}));
  EXPECT_FALSE(one.is({"abc", "2", "host", {}}));
  EXPECT_FALSE(one.is({"abd", "1", "host", {}}));
}

TEST(Seat, ABotIsGoneWhenItsAgentsOwnTermIsOverWhateverTheSettingsSayByThen) {
  Seat seat{ShardInfo(*ShardName::parse("abc"))};
  seat.info.last_seen = Time{seconds(1000)};
  Patience patience;
  patience.assume_dead_after = seconds(30);
  seat.info.holder.term = seconds(300);
  EXPECT_FALSE(seat.gone(patience, Time{seconds(1299)}));
  EXPECT_TRUE(seat.gone(patience, Time{seconds(1300)}));
  seat.info.holder.term = seconds(10);
  EXPECT_TRUE(seat.gone(patience, Time{seconds(1030)}));
}

TEST(Seat, ABotOfAnAgentThatHasLeftIsGoneOnceItIsDisconnected) {
  Seat seat{ShardInfo(*ShardName::parse("abc"))};
  seat.info.last_seen = Time{seconds(1000)};
  seat.info.holder.left = true;
  EXPECT_TRUE(seat.gone(Patience{}, Time{seconds(1000)}));
  seat.stage = Stage::told;
  EXPECT_FALSE(seat.gone(Patience{}, Time{seconds(1000)}));
}

TEST(Replacements, ThreeInAMinuteAreMany) {
  Replacements slow;
  for (int i = 0; i < 6; ++i) EXPECT_FALSE(slow.add(Time{seconds(1000 + 31 * i)}));
  Replacements fast;
  EXPECT_FALSE(fast.add(Time{seconds(1000)}));
  EXPECT_FALSE(fast.add(Time{seconds(1001)}));
  EXPECT_TRUE(fast.add(Time{seconds(1002)}));
  EXPECT_FALSE(fast.add(Time{seconds(1100)}));
}

}  // namespace
}  // namespace smaster::fleet
