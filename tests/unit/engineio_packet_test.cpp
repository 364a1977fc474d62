#include <gtest/gtest.h>

#include "wire/engineio/packet.hpp"

namespace smaster::engineio {
namespace {

std::vector<std::string> segments(std::string_view body) {
  PayloadReader reader(body);
  std::vector<std::string> all;
  while (const auto segment = reader.next()) all.emplace_back(*segment);
  return all;
}

TEST(EngineIoPacket, TextPacketIsATypeAndItsData) {
  const auto packet = decode_text("4hello");
  ASSERT_TRUE(packet);
  EXPECT_EQ(packet->type, PacketType::message);
  EXPECT_EQ(packet->data, "hello");
}

TEST(EngineIoPacket, EveryTypeFromOpenToNoopIsKnown) {
  for (const char type : {'0', '1', '2', '3', '4', '5', '6'})
    EXPECT_TRUE(decode_text(std::string(1, type))) << type;
}

TEST(EngineIoPacket, UnknownTypesAndEmptyPacketsAreRefused) {
  for (const char* text : {"", "7", "abc", "b", " 4", "/"}) EXPECT_FALSE(decode_text(text)) << text;
}

TEST(EngineIoPacket, PayloadIsSplitAtRecordSeparators) {
  EXPECT_EQ(segments("4a\x1e"
                     "4b\x1e"
                     "2"),
            (std::vector<std::string>{"4a", "4b", "2"}));
  EXPECT_EQ(segments("4a\x1e"), (std::vector<std::string>{"4a", ""}));
  EXPECT_EQ(segments(""), (std::vector<std::string>{""}));
}

TEST(EngineIoPacket, BinarySegmentIsBase64) {
  std::string storage;
  const auto packet = decode_segment("bAQIDBA==", storage);
  ASSERT_TRUE(packet);
  EXPECT_TRUE(packet->binary);
  EXPECT_EQ(packet->data, std::string_view("\x01\x02\x03\x04", 4));
}

TEST(EngineIoPacket, MalformedBase64IsRefused) {
  std::string storage;
  for (const char* segment : {"b!!!!", "bAQ*=", "bA\xFF=="})
    EXPECT_FALSE(decode_segment(segment, storage)) << segment;
}

TEST(EngineIoPacket, PayloadJoinsTextAndBinaryFrames) {
  std::string body;
  append_to_payload(body, text_frame(PacketType::message, "hello"));
  append_to_payload(body, binary_frame(std::string("\x01\x02\x03\x04", 4)));
  EXPECT_EQ(body,
            "4hello\x1e"
            "bAQIDBA==");
}

TEST(EngineIoPacket, AnyBytesSurviveThePollingEncoding) {
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes += static_cast<char>(i);
  std::string body;
  append_to_payload(body, binary_frame(bytes));
  std::string storage;
  const auto packet = decode_segment(body, storage);
  ASSERT_TRUE(packet);
  EXPECT_EQ(packet->data, bytes);
}

}  // namespace
}  // namespace smaster::engineio
