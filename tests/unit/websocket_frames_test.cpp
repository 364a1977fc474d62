// WebSocket frames (RFC 6455): what is decoded, however the bytes arrive, and what is refused with which
// code.
#include <gtest/gtest.h>

#include "wire/websocket/frames.hpp"

namespace smaster::websocket {
namespace {

constexpr Mask kMask{'\x37', '\xfa', '\x21', '\x3d'};

std::string frame(Opcode opcode, bool last, std::string data, std::optional<Mask> mask = kMask) {
  std::string bytes(FrameHead(opcode, last, data.size(), mask).bytes());
  if (mask) apply_mask(data, *mask);
  return bytes + data;
}

/// What a reader tells, a line an event, of bytes that come `piece` at a time.
std::string read(FrameReader& reader, std::string bytes, std::size_t piece) {
  std::string told;
  for (std::size_t at = 0; at < bytes.size(); at += piece) {
    std::span<char> some(bytes.data() + at, std::min(piece, bytes.size() - at));
    while (const auto event = reader.next(some)) {
      constexpr const char* kKinds[] = {"message", "ping", "pong", "close", "broken"};
      told += kKinds[static_cast<int>(event->kind)];
      if (event->binary) told += " binary";
      if (event->code != 0) told += ' ' + std::to_string(event->code);
      if (!event->data.empty()) told += ' ' + std::string(event->data.substr(0, 20));
      told += '\n';
    }
    EXPECT_TRUE(some.empty());
  }
  return told;
}

/// The same for a server, however the bytes are cut.
std::string read(const std::string& bytes, std::size_t most = 1'000'000) {
  FrameReader whole(Role::server, most);
  const auto told = read(whole, bytes, bytes.size());
  for (std::size_t piece = 1; piece < std::min<std::size_t>(bytes.size(), 20); ++piece) {
    FrameReader reader(Role::server, most);
    EXPECT_EQ(read(reader, bytes, piece), told) << piece << " bytes at a time";
  }
  return told;
}

TEST(Frames, AreThoseOfTheSpecification) {
  // RFC 6455, 5.7: "Hello", masked and not.
  EXPECT_EQ(read("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"), "message Hello\n");
  FrameReader client(Role::client, 100);
  EXPECT_EQ(read(client, "\x81\x05Hello", 100), "message Hello\n");
  EXPECT_EQ(FrameHead(Opcode::binary, true, 256).bytes(), std::string_view("\x82\x7e\x01\x00", 4));
  EXPECT_EQ(FrameHead(Opcode::binary, true, 65536).bytes(),
            std::string_view("\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00", 10));
}

TEST(Frames, OfEachLengthAreRead) {
  for (const std::size_t size : {0u, 1u, 125u, 126u, 65535u, 65536u, 70000u}) {
    const std::string data(size, 'x');
    const auto told = read(frame(Opcode::binary, true, data) + frame(Opcode::text, true, "end"));
    EXPECT_EQ(told, "message binary" + (size == 0 ? "" : ' ' + data.substr(0, 20)) + "\nmessage end\n")
        << size;
  }
}

TEST(Frames, MayBeFragmentsWithControlFramesInBetween) {
  EXPECT_EQ(read(frame(Opcode::text, false, "a") + frame(Opcode::ping, true, "p") +
                 frame(Opcode::continuation, false, "") + frame(Opcode::pong, true, "q") +
                 frame(Opcode::continuation, true, "b") + frame(Opcode::text, true, "c")),
            "ping p\npong q\nmessage ab\nmessage c\n");
}

TEST(Frames, ThatAreNotAllowedEndTheConnection) {
  const std::string refused = "broken 1002\n";
  EXPECT_EQ(read(frame(Opcode::text, true, "x", std::nullopt)), refused) << "a client must mask";
  FrameReader client(Role::client, 100);
  EXPECT_EQ(read(client, frame(Opcode::text, true, "x"), 100), refused) << "a server must not";
  EXPECT_EQ(read(frame(Opcode::continuation, true, "x")), refused) << "nothing to continue";
  EXPECT_EQ(read(frame(Opcode::text, false, "x") + frame(Opcode::text, true, "y")), refused);
  EXPECT_EQ(read(frame(static_cast<Opcode>(3), true, "x")), refused) << "reserved";
  EXPECT_EQ(read(frame(static_cast<Opcode>(11), true, "x")), refused) << "reserved";
  EXPECT_EQ(read(frame(Opcode::ping, false, "x")), refused) << "a control frame is one frame";
  EXPECT_EQ(read(frame(Opcode::ping, true, std::string(126, 'x'))), refused);
  EXPECT_EQ(read(frame(Opcode::ping, true, std::string(125, 'x'))), "ping " + std::string(20, 'x') + '\n');
  auto compressed = frame(Opcode::text, true, "x");
  compressed[0] = static_cast<char>(compressed[0] | 0x40);
  EXPECT_EQ(read(compressed), refused) << "no extension was agreed on";
  EXPECT_EQ(read(std::string("\x82\xfe\x00\x7d", 4) + std::string(129, '\0')), refused)
      << "125 has a shorter form";
  EXPECT_EQ(read(std::string("\x82\xff\0\0\0\0\0\0\xff\xff", 10) + "mask"), refused) << "so has 65535";
}

TEST(Frames, AfterAViolationNothingIsRead) {
  EXPECT_EQ(read(frame(static_cast<Opcode>(3), true, "") + frame(Opcode::text, true, "x")), "broken 1002\n");
  EXPECT_EQ(read(frame(Opcode::close, true, "") + frame(Opcode::text, true, "x")), "close\n");
}

TEST(Frames, ThatAreTooLongAreRefusedBeforeTheyCome) {
  EXPECT_EQ(read(frame(Opcode::text, true, std::string(11, 'x')).substr(0, 6), 10), "broken 1009\n");
  EXPECT_EQ(read(frame(Opcode::text, false, std::string(6, 'x')) +
                     frame(Opcode::continuation, true, std::string(5, 'x')).substr(0, 6),
                 10),
            "broken 1009\n");
  EXPECT_EQ(read(std::string("\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff", 10) + "mask"), "broken 1009\n");
  EXPECT_EQ(read(frame(Opcode::text, true, std::string(10, 'x')), 10), "message xxxxxxxxxx\n");
}

TEST(Frames, OfTextAreUtf8) {
  for (const char* const good :
       {"\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80", "\xf0\x90\x80\x80",
        "\xf4\x8f\xbf\xbf", "longer than eight \xe2\x82\xac bytes"}) {
    EXPECT_TRUE(is_utf8(good)) << good;
  }
  for (const char* const bad :
       {"\x80", "\xc0\xaf", "\xc1\xbf", "\xc2", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xe2\x82",
        "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "12345678\xff"}) {
    EXPECT_FALSE(is_utf8(bad)) << bad;
    EXPECT_EQ(read(frame(Opcode::text, true, bad)), "broken 1007\n");
  }
  EXPECT_EQ(read(frame(Opcode::text, false, "\xe2\x82") + frame(Opcode::continuation, true, "\xac")),
            "message \xe2\x82\xac\n");
  EXPECT_EQ(read(frame(Opcode::binary, true, "\xff")), "message binary \xff\n");
}

TEST(Frames, OfCloseHaveACodeThatMayBeSent) {
  const auto close = [](unsigned code) {
    return read(frame(Opcode::close, true, {static_cast<char>(code >> 8), static_cast<char>(code)}));
  };
  for (const unsigned good : {1000u, 1003u, 1007u, 1014u, 3000u, 4999u}) {
    EXPECT_EQ(close(good), "close " + std::to_string(good) + '\n');
    EXPECT_EQ(close_data(static_cast<std::uint16_t>(good)).size(), 2u);
  }
  for (const unsigned bad : {0u, 999u, 1004u, 1005u, 1006u, 1015u, 1100u, 2999u, 5000u, 65535u}) {
    EXPECT_EQ(close(bad), "broken 1002\n") << bad;
    EXPECT_EQ(close_data(static_cast<std::uint16_t>(bad)), "");
  }
  EXPECT_EQ(read(frame(Opcode::close, true, "x")), "broken 1002\n") << "half a code";
  EXPECT_EQ(read(frame(Opcode::close, true, "\x03\xe8\xff")), "broken 1002\n") << "a reason is UTF-8";
}

TEST(Frames, OfAMessageInPartsKeepNoMemoryAfterIt) {
  FrameReader reader(Role::server, 1'000'000);
  read(reader, frame(Opcode::binary, true, std::string(900'000, 'x')), 60'000);
  EXPECT_LT(reader.kept(), 100U);
  read(reader, frame(Opcode::binary, false, std::string(900'000, 'x')), 60'000);
  EXPECT_GE(reader.kept(), 900'000U);
  EXPECT_TRUE(reader.in_message());
}

TEST(Frames, MasksGoOnWhereTheLastPartEnded) {
  std::string whole(100, 'x');
  std::string parts = whole;
  apply_mask(whole, kMask);
  for (std::size_t at = 0; at < parts.size(); at += 7) {
    apply_mask(std::span(parts).subspan(at, std::min<std::size_t>(7, parts.size() - at)), kMask, at);
  }
  EXPECT_EQ(parts, whole);
}

}  // namespace
}  // namespace smaster::websocket
