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
  std::string storage;
  const auto packet = decode("4hello", storage);
  ASSERT_TRUE(packet);
  EXPECT_EQ(packet->type, PacketType::message);
  EXPECT_EQ(packet->data, "hello");
}

TEST(EngineIoPacket, EveryTypeFromOpenToNoopIsKnown) {
  std::string storage;
  for (const char type : {'0', '1', '2', '3', '4', '5', '6'})
    EXPECT_TRUE(decode(std::string(1, type), storage)) << type;
}

TEST(EngineIoPacket, UnknownTypesAndEmptyPacketsAreRefused) {
  std::string storage;
  for (const char* text : {"", "7", "abc", "B", " 4", "/"}) EXPECT_FALSE(decode(text, storage)) << text;
}

TEST(EngineIoPacket, PayloadIsSplitAtRecordSeparators) {
  EXPECT_EQ(segments("4a\x1e"
                     "4b\x1e"
                     "2"),
            (std::vector<std::string>{"4a", "4b", "2"}));
  EXPECT_EQ(segments("4a\x1e"), (std::vector<std::string>{"4a", ""}));
  EXPECT_EQ(segments(""), (std::vector<std::string>{""}));
}

TEST(EngineIoPacket, BinaryTextIsBase64) {
  std::string storage;
  const auto packet = decode("bAQIDBA==", storage);
  ASSERT_TRUE(packet);
  EXPECT_TRUE(packet->binary);
  EXPECT_EQ(packet->data, std::string_view("\x01\x02\x03\x04", 4));
}

TEST(EngineIoPacket, MalformedBase64IsRefused) {
  std::string storage;
  for (const char* segment : {"b!!!!", "bAQ*=", "bA\xFF=="})
    EXPECT_FALSE(decode(segment, storage)) << segment;
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
  const auto packet = decode(body, storage);
  ASSERT_TRUE(packet);
  EXPECT_EQ(packet->data, bytes);
}

/// Bytes in pieces of a fixed size.
class Pieces final : public FrameSource {
 public:
  Pieces(std::string bytes, std::size_t piece) : bytes_(std::move(bytes)), piece_(piece) {}
  void read(std::size_t offset, Then then) override {
    then(offset >= bytes_.size() ? "" : bytes_.substr(offset, piece_));
  }

 private:
  std::string bytes_;
  std::size_t piece_;
};

/// All of a source, read as a websocket reads it.
std::string read_all(FrameSource& source) {
  std::string all;
  for (bool more = true; more;) {
    source.read(all.size(), [&](std::optional<std::string> piece) {
      more = piece && !piece->empty();
      all += piece.value_or("failed");
    });
  }
  return all;
}

TEST(EngineIoPacket, BinaryFrameAsTextIsWhatDecodeTakes) {
  const auto frame = base64_frame(binary_frame(std::string("\x01\x02\x03\x04", 4)));
  EXPECT_FALSE(frame.binary);
  EXPECT_EQ(*frame.data, "bAQIDBA==");
}

TEST(EngineIoPacket, SourceOfAnyLengthInPiecesOfAnySizeBecomesOneBase64Text) {
  for (std::size_t length = 0; length < 14; ++length) {
    for (std::size_t piece = 1; piece < 9; ++piece) {
      const auto bytes = std::string("\x00\x01\xff-some bytes", 14).substr(0, length);
      const auto frame = base64_frame({true, nullptr, nullptr, std::make_shared<Pieces>(bytes, piece)});
      EXPECT_FALSE(frame.binary);
      const auto text = read_all(*frame.source);
      EXPECT_EQ(text, *base64_frame(binary_frame(bytes)).data) << length << " in pieces of " << piece;
    }
  }
}

TEST(EngineIoPacket, SourceThatFailsFailsAsText) {
  class Broken final : public FrameSource {
    void read(std::size_t, Then then) override { then(std::nullopt); }
  };
  const auto frame = base64_frame({true, nullptr, nullptr, std::make_shared<Broken>()});
  EXPECT_EQ(read_all(*frame.source), "failed");
}

/// The whole body, and how long its longest piece was.
std::pair<std::string, std::size_t> encode_in_pieces(Payload payload) {
  PayloadEncoder encoder(std::move(payload));
  std::string body;
  std::size_t longest = 0;
  while (!encoder.done()) {
    if (auto* const source = encoder.wants()) {
      source->read(encoder.offset(), [&](std::optional<std::string> bytes) { encoder.supply(*bytes); });
    }
    const auto piece = encoder.next();
    longest = std::max(longest, piece.size());
    body += piece;
  }
  return {body, longest};
}

TEST(EngineIoPacket, PayloadInPiecesIsTheSameAsWhole) {
  const Payload payload{text_frame(PacketType::message, "hello"), binary_frame(std::string(1'000'001, 'b')),
                        text_frame("4a", std::make_shared<const std::string>(700'000, 't')), binary_frame(""),
                        text_frame(PacketType::noop)};
  const auto whole = encode_payload(payload);
  EXPECT_EQ(payload_size(payload), whole.size());
  const auto [body, longest] = encode_in_pieces(payload);
  EXPECT_EQ(body, whole);
  EXPECT_LT(longest, 600'000u) << "its work and its memory are bounded";
}

TEST(EngineIoPacket, SourceIsReadWhileItIsEncoded) {
  for (const std::size_t size : {0u, 1u, 6u, 7u, 20u, 21u, 100u}) {
    std::string text(size, 'x');
    for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i);
    const Frame source{true, nullptr, nullptr, std::make_shared<Pieces>(text, 7)};
    const Payload payload{text_frame(PacketType::message, "a"), source, text_frame(PacketType::noop)};
    EXPECT_FALSE(payload_size(payload));
    const auto whole = encode_payload({payload[0], binary_frame(text), payload[2]});
    EXPECT_EQ(encode_in_pieces(payload).first, whole) << size;
  }
}

TEST(EngineIoPacket, FileInAQueueCostsWhatItIsReadIn) {
  const Frame source{true, nullptr, nullptr, std::make_shared<Pieces>("x", 1)};
  EXPECT_GE(source.held(), FrameSource::kPiece);
  EXPECT_LT(source.held(), FrameSource::kPiece + 1000);
}

}  // namespace
}  // namespace smaster::engineio
