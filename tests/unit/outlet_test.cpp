#include "base/outlet.hpp"

#include <gtest/gtest.h>

namespace smaster::outlet {
namespace {

constexpr const char* kC1 = "\xc2\x9b";        // U+009B, which begins a command as ESC [ does
constexpr const char* kTurn = "\xe2\x80\xae";  // U+202E, from right to left
constexpr const char* kLineSeparator = "\xe2\x80\xa8";
const std::string kAttack = std::string("a\x1b[31m\x07") + kC1 + "2J" + kTurn + "b\x7f\x80";

TEST(Outlet, WhatIsHarmlessStaysAsItIs) {
  for (const std::string text : {"", "plain", "häßlich — 日本 🙂",
                                 "a\xc2\xa0"
                                 "b"}) {
    EXPECT_EQ(log(text), text);
    EXPECT_EQ(terminal(text), text);
    EXPECT_EQ(terminal_lines(text), text);
    EXPECT_EQ(json(text), text);
    EXPECT_EQ(csv_cell(text), text);
    EXPECT_EQ(mail_header(text), text);
    EXPECT_EQ(mail_body(text), text);
    EXPECT_EQ(metrics_label(text), text);
  }
}

TEST(Outlet, ALineOfTheLogStaysOneLineAndTellsATerminalNothing) {
  EXPECT_EQ(log(kAttack), "a?[31m??2J?b?\xef\xbf\xbd");
  EXPECT_EQ(log(std::string("a\nb\r\x1f") + kLineSeparator + "c"), "a\\nb???c");
}

TEST(Outlet, ATerminalIsToldNothing) {
  EXPECT_EQ(terminal(kAttack), "a [31m  2J b \xef\xbf\xbd");
  EXPECT_EQ(terminal("a\n\tb"), "a  b");
  EXPECT_EQ(terminal_lines(std::string("a\n\tb\r") + kC1 + "c"), "a\n\tb  c");
}

TEST(Outlet, BytesThatAreNoUtf8AreReplacedOneByOne) {
  EXPECT_EQ(terminal("\xc3"), "\xef\xbf\xbd");
  EXPECT_EQ(terminal("\xc0\xaf"), "\xef\xbf\xbd\xef\xbf\xbd") << "an overlong slash";
  EXPECT_EQ(terminal("\xed\xa0\x80"), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd") << "half a surrogate pair";
  EXPECT_EQ(terminal("\xf4\x90\x80\x80"), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd")
      << "beyond Unicode";
  EXPECT_EQ(terminal("\xe2\x80"), "\xef\xbf\xbd\xef\xbf\xbd") << "cut short";
}

TEST(Outlet, JsonOnATerminalIsTheSameValue) {
  EXPECT_EQ(json(std::string("{\"a\":\"") + kC1 + kTurn + "\x7f\"}\n"),
            "{\"a\":\"\\u009b\\u202e\\u007f\"}\n");
  EXPECT_EQ(json("\"\xf3\xa0\x81\x81\""), "\"\\udb40\\udc41\"") << "a tag, which nothing shows";
}

TEST(Outlet, ACellIsNoFormula) {
  EXPECT_EQ(csv_cell("=cmd|'/c calc'!A1"), "'=cmd|'/c calc'!A1");
  EXPECT_EQ(csv_cell("+1+2"), "'+1+2");
  EXPECT_EQ(csv_cell("-1+2"), "'-1+2");
  EXPECT_EQ(csv_cell("@SUM(A1)"), "'@SUM(A1)");
  EXPECT_EQ(csv_cell("\t=1"), "\"'\t=1\"");
  EXPECT_EQ(csv_cell("\r=1"), "\"'\r=1\"");
  EXPECT_EQ(csv_cell("\xef\xbc\x9d"
                     "1"),
            "'\xef\xbc\x9d"
            "1")
      << "full width";
  EXPECT_EQ(csv_cell("=\"a\",b"), "\"'=\"\"a\"\",b\"");
  EXPECT_EQ(csv_cell("  =1"), "'  =1");
  EXPECT_EQ(csv_cell("  1"), "  1");
  EXPECT_EQ(csv_cell("-1"), "-1");
  EXPECT_EQ(csv_cell("-1.5e3"), "-1.5e3");
  EXPECT_EQ(csv_cell("a,b;c"), "\"a,b;c\"");
  EXPECT_EQ(csv_cell("a=b"), "a=b");
}

TEST(Outlet, AMailsHeaderHasNoLineOfAShards) {
  EXPECT_EQ(mail_header("signal 9\r\nBcc: evil@example.org\n\nhello"),
            "signal 9  Bcc: evil@example.org  hello");
  EXPECT_EQ(mail_header("\n"), " ");
  EXPECT_LT(mail_header(std::string(5000, 'x')).size(), 998u);
}

TEST(Outlet, AMailsBodyEndsWhereTheServerEndsIt) {
  EXPECT_EQ(mail_body("a\n.\nb"), "a\n .\nb");
  EXPECT_EQ(mail_body("~!id\n--part\nFrom x"), " ~!id\n --part\n From x");
  EXPECT_EQ(mail_body("a\r\n.b\x1b"), "a \n .b ");
}

TEST(Outlet, ALabelsValueStaysWithinItsQuotes) {
  EXPECT_EQ(metrics_label("a\"} 1\nevil{x=\"\\"), "a\\\"} 1\\nevil{x=\\\"\\\\");
  EXPECT_EQ(metrics_label("a\rb\x80"), "a b\xef\xbf\xbd");
}

TEST(Outlet, TextIsCutBetweenCharacters) {
  EXPECT_EQ(cut("aäb", 2), "a");
  EXPECT_EQ(cut("aäb", 3), "aä");
  EXPECT_EQ(cut("a🙂", 4), "a");
  EXPECT_EQ(cut("ab", 5), "ab");
  EXPECT_EQ(cut("\x80\x80\x80\x80\x80\x80", 4).size(), 4u) << "no character has so many bytes";
}

}  // namespace
}  // namespace smaster::outlet
