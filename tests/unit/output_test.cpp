// A bot's output on its way from its keeper to its agent, and what the agent keeps of it.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "agent/bot/output_packet.hpp"
#include "agent/bot/output_ring.hpp"

namespace smaster::agent {
namespace {

using OutputTexts = std::vector<std::string>;

std::string packet_of(const OutputPacker& packer) {
  std::string bytes(sizeof(OutputHead), '\0');
  std::memcpy(bytes.data(), &packer.head(), sizeof(OutputHead));
  return bytes + packer.text();
}

struct ReadPacket {
  OutputHead head;
  OutputTexts lines;
  bool good = false;
};

ReadPacket unpack_output(std::string_view packet) {
  ReadPacket found;
  found.good =
      read_output_packet(packet, found.head, [&](std::string_view line) { found.lines.emplace_back(line); });
  return found;
}

/// Sends what waits, as to an agent that takes it.
ReadPacket send_packet(OutputPacker& packer) {
  auto found = unpack_output(packet_of(packer));
  packer.sent();
  return found;
}

Time log_time(std::int64_t ms) { return from_unix_ms(ms); }

TEST(OutputPacker, LinesAreWholeAndTheLastNeedsNoEnd) {
  OutputPacker packer(OutputStream::err);
  packer.add("a\nb", 5);
  auto first = send_packet(packer);
  EXPECT_EQ(first.lines, OutputTexts{"a"});
  EXPECT_EQ(first.head.time, 5);
  EXPECT_EQ(first.head.stream, 2U);
  EXPECT_FALSE(packer.waits());
  packer.add("c\n\n", 6);
  EXPECT_EQ(send_packet(packer).lines, (OutputTexts{"bc", ""}));
  packer.add("last", 7);
  EXPECT_FALSE(packer.waits());
  packer.finish(8);
  const auto last = send_packet(packer);
  EXPECT_EQ(last.lines, OutputTexts{"last"});
  EXPECT_EQ(last.head.time, 8);
}

TEST(OutputPacker, ALongLineIsCutOnceHoweverItComes) {
  OutputPacker packer(OutputStream::out);
  for (int i = 0; i < 1'000; ++i) packer.add(std::string(1'000, 'x'), 1);
  packer.add("\nnext\n", 1);
  EXPECT_EQ(send_packet(packer).lines,
            (OutputTexts{std::string(kMaxOutputLine, 'x') + std::string(kCut), "next"}));
  packer.add(std::string(kMaxOutputLine, 'y') + "\n", 1);
  EXPECT_EQ(send_packet(packer).lines, OutputTexts{std::string(kMaxOutputLine, 'y')})
      << "not a byte too long";
}

TEST(OutputPacker, TheBeginningOfALineCanBePassedOn) {
  OutputPacker packer(OutputStream::out);
  EXPECT_FALSE(packer.begun());
  packer.pass_on_begun(1);
  EXPECT_FALSE(packer.waits());
  packer.add("a\nGo on?", 2);
  EXPECT_TRUE(packer.begun());
  packer.pass_on_begun(3);
  EXPECT_EQ(send_packet(packer).lines, (OutputTexts{"a", "Go on?" + std::string(kCut)}));
  packer.add("", 4);
  packer.add("\nb\n\n", 5);
  EXPECT_EQ(send_packet(packer).lines, (OutputTexts{"b", ""}))
      << "only the end of what was passed on is none";
  packer.add("Sure?", 6);
  packer.pass_on_begun(7);
  packer.add("yes\n", 8);
  EXPECT_EQ(send_packet(packer).lines, (OutputTexts{"Sure?" + std::string(kCut), "yes"}));
}

TEST(OutputRing, ATokenThatIsPassedOnInTwoPartsIsCutOut) {
  const std::string token = "MTIzNDU2Nzg5.secret";
  for (std::size_t at = 1; at < token.size(); ++at) {
    OutputRing ring(10, token);
    const auto add = [&ring](OutputStream stream, const std::string& text) {
      ring.add(log_time(1), stream, text);
    };
    add(OutputStream::out, "token: " + token.substr(0, at) + std::string(kCut));
    add(OutputStream::err, "between");
    add(OutputStream::out, token.substr(at) + " is it");
    const auto lines = ring.select({});
    if (token.size() - at >= 4) {
      EXPECT_EQ(lines.find(token.substr(at)), std::string::npos) << lines;
    }
    EXPECT_NE(lines.find("[token] is it"), std::string::npos) << lines;
    if (at >= 8) {
      EXPECT_EQ(lines.find(token.substr(0, at)), std::string::npos) << lines;
    }
  }
}

TEST(OutputPacker, WithoutAReaderTheNewestLinesStayAndTheOthersAreCounted) {
  OutputPacker packer(OutputStream::out);
  for (int i = 0; i < 100'000; ++i) packer.add("line " + std::to_string(i) + '\n', i);
  EXPECT_LE(packer.text().size(), kMaxOutputText);
  const auto found = send_packet(packer);
  EXPECT_EQ(found.lines.back(), "line 99999");
  EXPECT_EQ(found.head.lost + found.lines.size(), 100'000U);
  packer.add("more\n", 1);
  EXPECT_EQ(send_packet(packer).head.lost, 0U) << "counted once";
}

TEST(OutputPacker, WhatIsNoPacketIsRefused) {
  EXPECT_FALSE(unpack_output("").good);
  EXPECT_FALSE(unpack_output("short").good);
  EXPECT_FALSE(unpack_output(std::string(64, '\xff')).good);
  EXPECT_FALSE(unpack_output(std::string(64, '\0')).good) << "a keeper has no remarks";
}

TEST(OutputRing, SelectsTheNewestThatFit) {
  OutputRing ring(3, "");
  for (int i = 1; i <= 5; ++i)
    ring.add(log_time(i), i % 2 == 0 ? OutputStream::err : OutputStream::out, std::to_string(i));
  EXPECT_EQ(ring.newest(), 5U);
  EXPECT_EQ(ring.select({}), R"x([[3,1,"3"],[4,2,"4"],[5,1,"5"]])x");
  EXPECT_EQ(ring.select({.lines = 1}), R"x([[5,1,"5"]])x");
  EXPECT_EQ(ring.select({.lines = 0}), "[]");
  EXPECT_EQ(ring.select({.since = log_time(5)}), R"x([[5,1,"5"]])x");
  EXPECT_EQ(ring.select({.after = 4}), R"x([[5,1,"5"]])x");
  EXPECT_EQ(ring.select({.after = 5}), "[]");
}

TEST(OutputRing, SaysHowManyLinesAreMissing) {
  OutputRing ring(3, "");
  for (int i = 1; i <= 5; ++i) ring.add(log_time(i), OutputStream::out, std::to_string(i));
  EXPECT_EQ(ring.select({.after = 0}), R"x([[3,0,"(2 lines dropped)"],[3,1,"3"],[4,1,"4"],[5,1,"5"]])x");
  EXPECT_EQ(ring.select({.after = 1}), R"x([[3,0,"(1 line dropped)"],[3,1,"3"],[4,1,"4"],[5,1,"5"]])x");
  EXPECT_EQ(ring.select({.bytes = 24}), R"x([[4,0,"(1 line dropped)"],[4,1,"4"],[5,1,"5"]])x");
  EXPECT_EQ(ring.select({.after = 1, .bytes = 24}), R"x([[4,0,"(2 lines dropped)"],[4,1,"4"],[5,1,"5"]])x");
  ring.add(log_time(6), OutputStream::out, std::string(5'000, 'x'));
  EXPECT_EQ(ring.select({.after = 5, .bytes = 20}), R"x([[6,1,"xxxxxxxxxx…"]])x")
      << "a part of the newest in any case";
  EXPECT_EQ(ring.select({.after = 4, .bytes = 20}), R"x([[6,0,"(1 line dropped)"],[6,1,"xxxxxxxxxx…"]])x");
}

TEST(OutputRing, APartOfALineIsBoundedAsJson) {
  OutputRing ring(10, "");
  ring.add(log_time(1), OutputStream::out, std::string(8'000, '\x1b'));
  EXPECT_LE(ring.select({.bytes = 1'000}).size(), 1'050U);
  EXPECT_GE(ring.select({.bytes = 1'000}).size(), 700U);
}

TEST(OutputRing, IsBoundedInBytes) {
  OutputRing ring(1'000, "");
  for (int i = 0; i < 10'000; ++i) ring.add(log_time(i), OutputStream::out, std::string(kMaxOutputLine, 'x'));
  EXPECT_LE(ring.select({}).size(), 1'000 * OutputRing::kBytesPerLine + 10'000);
  OutputRing small(1, "");
  small.add(log_time(1), OutputStream::out, std::string(kMaxOutputLine, 'x'));
  EXPECT_GT(small.select({}).size(), kMaxOutputLine) << "the newest stays";
}

TEST(OutputRing, TheTokenIsCutOut) {
  const std::string token = "MTk4NjIyNDgzNDcxOTI1MjQ4.Cl2FMQ.ZnCjm1XVW7vRze4b7Cq4se7kKWs";
  OutputRing ring(10, token);
  ring.add(log_time(1), OutputStream::out, "login with " + token + " and " + token + "!");
  ring.add(log_time(2), OutputStream::out, "half " + token.substr(0, 30) + std::string(kCut));
  ring.add(log_time(3), OutputStream::out, "other " + token.substr(0, 30));
  EXPECT_EQ(ring.select({}),
            R"([[1,1,"login with [token] and [token]!"],[2,1,"half [token]…"],[3,1,"other )" +
                token.substr(0, 30) + R"("]])");
  EXPECT_EQ(ring.tail(0, 10, 1'000).front(), "login with [token] and [token]!");
  OutputRing coloured(10, token);
  coloured.add(log_time(1), OutputStream::out,
               "\x1b[31m" + token.substr(0, 20) + "\x1b[0;1m" + token.substr(20) + "\x1b[0m!");
  EXPECT_EQ(coloured.select({}), R"([[1,1,"[token]!"]])");
  OutputRing parts(10, token);
  const std::string cut(kCut);
  parts.add(log_time(1), OutputStream::out, "a " + token.substr(0, 10) + cut);
  parts.add(log_time(2), OutputStream::out, token.substr(10, 10) + cut);
  parts.add(log_time(3), OutputStream::out, token.substr(20, 12) + cut);
  parts.add(log_time(4), OutputStream::out, token.substr(32) + " end");
  EXPECT_EQ(parts.select({}),
            R"([[1,1,"a [token]…"],[2,1,"[token]…"],[3,1,"[token]…"],[4,1,"[token] end"]])");
  OutputRing short_one(10, "x");
  short_one.add(log_time(1), OutputStream::out, "xyz");
  EXPECT_EQ(short_one.select({}), R"x([[1,1,"xyz"]])x") << "no secret is so short";
}

TEST(OutputRing, AnyBytesBecomeJson) {
  OutputRing ring(10, "");
  ring.add(log_time(1), OutputStream::err, std::string("\xff\x1b[31m\0\r", 8));
  EXPECT_EQ(ring.select({}), "[[1,2,\"\xEF\xBF\xBD\\u001b[31m\\u0000\"]]");
  EXPECT_EQ(ring.tail(0, 1, 100), OutputTexts{std::string("\xEF\xBF\xBD\x1b[31m\0", 9)});
}

TEST(OutputRing, TheTailHasTheLinesOfTheLastBotWithoutRemarks) {
  OutputRing ring(100, "");
  ring.add(log_time(1), OutputStream::out, "of an earlier bot");
  const auto started = ring.newest();
  for (int i = 0; i < 20; ++i) ring.add(log_time(i), OutputStream::err, "line " + std::to_string(i));
  ring.add(log_time(21), OutputStream::note, "(3 lines dropped)");
  ring.add(log_time(22), OutputStream::out, "");
  EXPECT_EQ(ring.tail(started, 3, 1'000), (OutputTexts{"line 17", "line 18", "line 19"}));
  EXPECT_EQ(ring.tail(started, 100, 1'000).front(), "line 0");
  EXPECT_EQ(ring.tail(started, 3, 10), (OutputTexts{"lin", "line 19"})) << "the newest first";
  EXPECT_EQ(ring.tail(ring.newest(), 3, 100), OutputTexts{});
}

TEST(OutputRing, APacketTellsWhatItsKeeperDropped) {
  OutputRing ring(10, "");
  OutputPacker packer(OutputStream::err);
  for (int i = 0; i < 20'000; ++i) packer.add("12345678\n", 7);
  ring.take(packet_of(packer));
  EXPECT_EQ(ring.newest(), 1 + kMaxOutputText / 9) << "the lines, and a remark";
  ring.take("nonsense");
  EXPECT_EQ(ring.newest(), 1 + kMaxOutputText / 9);
}

}  // namespace
}  // namespace smaster::agent
