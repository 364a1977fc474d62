#include <gtest/gtest.h>

#include "wire/socketio/packet.hpp"

namespace smaster::socketio {
namespace {

TEST(SocketIoPacket, EventWithNamespaceAckAndAttachments) {
  const auto packet = decode(R"(51-/admin,456["upload",{"_placeholder":true,"num":0}])");
  ASSERT_TRUE(packet);
  EXPECT_EQ(packet->type, PacketType::binary_event);
  EXPECT_EQ(packet->attachments, 1u);
  EXPECT_EQ(packet->nsp, "/admin");
  EXPECT_EQ(packet->ack_id, 456u);
  EXPECT_EQ(packet->arguments.values,
            (std::vector<std::string_view>{R"("upload")", R"({"_placeholder":true,"num":0})"}));
}

TEST(SocketIoPacket, ArgumentsKeepTheirExactText) {
  const auto packet = decode(R"(2["x",1.50, 12345678901234567890 ,{"b":1,"a":"é,]"},[ ],null])");
  ASSERT_TRUE(packet);
  EXPECT_EQ(packet->arguments.values, (std::vector<std::string_view>{R"("x")", "1.50", "12345678901234567890",
                                                                     R"({"b":1,"a":"é,]"})", "[ ]", "null"}));
}

TEST(SocketIoPacket, WellFormedPacketsAreAccepted) {
  for (const char* text : {"0", R"(0{"token":"1"})", "0/custom", "0/custom,", R"(0/custom,{"a":1})", "1",
                           "1/custom,", R"(2["a"])", "2[1]", R"(20["a"])", "31[]", R"(3/admin,7[null,1])",
                           R"(461-7[{"_placeholder":true,"num":0}])"}) {
    const std::string_view view(text);
    EXPECT_TRUE(decode(view == R"(461-7[{"_placeholder":true,"num":0}])" ? view.substr(1) : view)) << text;
  }
}

TEST(SocketIoPacket, MalformedPacketsAreRefused) {
  for (const char* text : {"",
                           "7",
                           "abc",
                           "2",
                           "2{}",
                           "2[]",
                           "2[{}]",
                           "2[null]",
                           R"(2abc["a"])",
                           R"(2["a")",
                           R"(2["a"]x)",
                           "0[]",
                           "0null",
                           "0\"x\"",
                           "1{}",
                           "3[]",
                           "3{}",
                           "31{}",
                           "31",
                           R"(5["a"])",
                           R"(50-["a"])",
                           R"(5-["a"])",
                           R"(511-["a"])",
                           R"(51["a"])",
                           R"(5x-["a"])",
                           "6[]",
                           "61-[]",
                           R"(299999999999999999999999["a"])",
                           "2[\"a\x01\"]"}) {
    EXPECT_FALSE(decode(text)) << text;
  }
}

TEST(SocketIoPacket, AConnectErrorIsTakenApart) {
  const auto packet = decode(R"(4/admin,{"message":"no"})");
  ASSERT_TRUE(packet);
  EXPECT_EQ(packet->type, PacketType::connect_error);
  EXPECT_EQ(packet->nsp, "/admin");
  EXPECT_EQ(packet->json, R"({"message":"no"})");
}

TEST(SocketIoPacket, TooDeepNestingIsRefusedNotFollowed) {
  std::string deep = R"(2["a",)";
  deep += std::string(100'000, '[') + std::string(100'000, ']') + ']';
  EXPECT_FALSE(decode(deep));
}

TEST(SocketIoPacket, EncodesWhatItDecodes) {
  EXPECT_EQ(encode(PacketType::event, "/", std::nullopt, R"(["a"])"), R"(2["a"])");
  EXPECT_EQ(encode(PacketType::event, "/x", 3, R"(["a"])"), R"(2/x,3["a"])");
  EXPECT_EQ(encode(PacketType::binary_ack, "/", 7, "[]", 2), "62-7[]");
}

TEST(SocketIoPacket, PlaceholdersAreRenumberedWhenPacketsAreMerged) {
  EXPECT_EQ(
      *shift_placeholders(R"({"a":[{"_placeholder":true,"num":1}],"b":{"_placeholder":true,"num":0}})", 2, 3),
      R"({"a":[{"_placeholder":true,"num":4}],"b":{"_placeholder":true,"num":3}})");
}

TEST(SocketIoPacket, PlaceholderOfAnAttachmentThatIsNotThereIsRefused) {
  EXPECT_FALSE(shift_placeholders(R"([{"_placeholder":true,"num":1}])", 1, 0));
  EXPECT_FALSE(shift_placeholders(R"([{"_placeholder":true,"num":-1}])", 1, 0));
  EXPECT_FALSE(shift_placeholders(R"([{"_placeholder":true,"num":"0"}])", 1, 0));
  EXPECT_FALSE(shift_placeholders(R"([{"_placeholder":true}])", 1, 0));
  EXPECT_TRUE(shift_placeholders(R"([{"_placeholder":false,"num":9}])", 1, 0));
}

TEST(SocketIoPacket, AttachmentsBecomeBase64ForReadersOfText) {
  EXPECT_EQ(*inline_attachments(R"([{"_placeholder":true,"num":0}])", {"hi"}), R"([{"base64":"aGk="}])");
  constexpr std::string_view kPlain = R"([12345678901234567890123, {"_placeholder":true,"num":0}])";
  EXPECT_EQ(*inline_attachments(kPlain, {}), kPlain);
}

}  // namespace
}  // namespace smaster::socketio
