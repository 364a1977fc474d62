#include "control/table.hpp"

#include <gtest/gtest.h>

#include "control/sparkline.hpp"

namespace smaster::control {
namespace {

TEST(Table, IsAlignedByCharactersAndNotByBytes) {
  EXPECT_EQ(render({{{"NAME", "N"}, {"ä", "1"}, {"abcde", "2"}}}, {}), "NAME   N\nä      1\nabcde  2\n");
}

TEST(Table, LeavesOutWhatMayGoWhenTheTerminalIsNarrow) {
  const Table table{{{"A", "B", "C"}, {"aaaa", "bbbb", "cccc"}}, {1, 0}};
  EXPECT_EQ(render(table, {16, false}), "A     B     C\naaaa  bbbb  cccc\n");
  EXPECT_EQ(render(table, {15, false}), "A     C\naaaa  cccc\n");
  EXPECT_EQ(render(table, {9, false}), "C\ncccc\n");
  EXPECT_EQ(render(table, {3, false}), "C\ncc…\n");
}

TEST(Table, ColoursStatesAlsoWhenColumnsBeforeThemAreGone) {
  Table table{{{"X", "STATE"}, {"x", "silent"}}, {0}, 1};
  EXPECT_EQ(render(table, {0, true}), "\x1b[1mX  \x1b[0m\x1b[1mSTATE\x1b[0m\nx  \x1b[33msilent\x1b[0m\n");
  EXPECT_EQ(render(table, {6, true}), "\x1b[1mSTATE\x1b[0m\n\x1b[33msilent\x1b[0m\n");
}

TEST(Table, TellsTheTerminalNothing) {
  EXPECT_EQ(render({{{"X"}, {"a\x1b[31m\nb\x7f\xc2\x9b[2J\xe2\x80\xae\xc2\xa0"}}}, {}),
            "X\na [31m b  [2J \xc2\xa0\n");
}

TEST(Table, FitsTexts) {
  EXPECT_EQ(fit("abc", 3), "abc");
  EXPECT_EQ(fit("äöü", 2), "ä…");
  EXPECT_EQ(fit("abc", 1), "…");
  EXPECT_EQ(fit("", 0), "");
}

TEST(Sparkline, ShowsMeansOfPartsOfTheTime) {
  const Point points[] = {{0, 0}, {1, 0}, {10, 4}, {19, 8}, {40, 3.5}, {99, 1}};
  EXPECT_EQ(sparkline(points, {0, 50}, 5, true), "▁█  ▅");
  EXPECT_EQ(sparkline(points, {0, 50}, 5, false), "_#  =");
  const Point holed[] = {{0, 4}, {40, 4}};
  EXPECT_EQ(sparkline(holed, {0, 45}, 3, false), "###") << "a hole of one part is none";
  EXPECT_EQ(sparkline(points, {0, 40}, 0, true), "");
  EXPECT_EQ(sparkline({}, {0, 40}, 3, true), "   ");
}

TEST(Sparkline, IsFlatWhereAllIsZeroAndTheLastMomentBelongsToIt) {
  const Point points[] = {{0, 0}, {40, 0}};
  EXPECT_EQ(sparkline(points, {0, 40}, 2, false), "__");
}

}  // namespace
}  // namespace smaster::control
