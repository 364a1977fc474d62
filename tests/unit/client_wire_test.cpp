#include <gtest/gtest.h>

#include <vector>

#include "wire/engineio/client.hpp"
#include "wire/socketio/client.hpp"

namespace smaster {
namespace {

using engineio::CloseReason;
using std::chrono::milliseconds;

constexpr std::string_view kOpen =
    R"(0{"sid":"abc","upgrades":[],"pingInterval":250,"pingTimeout":200,"maxPayload":1000})";

class EngineRecorder final : public engineio::ClientSink {
 public:
  void opened() override { log.emplace_back("opened"); }
  void deliver(bool binary, std::string_view data) override {
    log.push_back((binary ? "binary " : "text ") + std::string(data));
  }
  void transmit(const engineio::Frame& frame) override { log.push_back("sent " + *frame.data); }
  void ended(CloseReason reason) override { log.push_back("ended " + std::string(to_string(reason))); }
  std::vector<std::string> log;
};

struct EngineClientTest : testing::Test {
  EngineRecorder sink;
  Instant now{};
  engineio::ClientSession session{sink, now};
  using Log = std::vector<std::string>;
};

TEST_F(EngineClientTest, TheHandshakeOpensAndPingsAreAnswered) {
  session.receive_frame(false, kOpen, now);
  EXPECT_EQ(session.sid(), "abc");
  EXPECT_EQ(session.max_payload(), 1000u);
  session.receive_frame(false, "2", now);
  session.receive_frame(false, "4hello", now);
  session.receive_frame(true, "raw", now);
  session.receive_frame(false, "6", now);
  EXPECT_EQ(sink.log, (Log{"opened", "sent 3", "text hello", "binary raw"}));
}

TEST_F(EngineClientTest, APayloadHoldsSeveralPackets) {
  session.receive_payload(std::string(kOpen) +
                              "\x1e"
                              "4a\x1e"
                              "bcmF3\x1e"
                              "2",
                          now);
  EXPECT_EQ(sink.log, (Log{"opened", "text a", "binary raw", "sent 3"}));
}

TEST_F(EngineClientTest, AServerThatStopsPingingIsGivenUp) {
  session.receive_frame(false, kOpen, now);
  EXPECT_EQ(session.deadline(), now + milliseconds(450));
  now += milliseconds(400);
  session.receive_frame(false, "2", now);
  session.tick(now + milliseconds(449));
  EXPECT_FALSE(session.ended());
  session.tick(now + milliseconds(450));
  EXPECT_EQ(sink.log.back(), "ended ping timeout");
  session.receive_frame(false, "4late", now);
  session.send(engineio::text_frame(engineio::PacketType::message, "late"));
  EXPECT_EQ(sink.log.back(), "ended ping timeout") << "nothing follows";
}

TEST_F(EngineClientTest, AServerThatNeverOpensIsGivenUp) {
  session.tick(now + engineio::ClientSession::kOpenTimeout);
  EXPECT_TRUE(session.ended());
}

TEST_F(EngineClientTest, WhatTheServerMayNotSendEndsIt) {
  for (const std::string_view first :
       {"4early", "2", "0", "0{}", "0[]", "0{\"sid\":\"\",\"pingInterval\":1,\"pingTimeout\":1}",
        "0{\"sid\":\"a\",\"pingInterval\":0,\"pingTimeout\":1}", "x", ""}) {
    EngineRecorder recorder;
    engineio::ClientSession fresh(recorder, now);
    fresh.receive_frame(false, first, now);
    EXPECT_EQ(recorder.log, (Log{"ended parse error"})) << first;
  }
  for (const std::string_view next : {"0{}", "3", "5", "9", ""}) {
    EngineRecorder recorder;
    engineio::ClientSession fresh(recorder, now);
    fresh.receive_frame(false, kOpen, now);
    fresh.receive_frame(false, next, now);
    EXPECT_EQ(recorder.log, (Log{"opened", "ended parse error"})) << next;
  }
}

TEST_F(EngineClientTest, EachSideMayEndIt) {
  session.receive_frame(false, kOpen, now);
  session.close();
  ASSERT_EQ(sink.log.size(), 3u);
  EXPECT_EQ(sink.log[1], "sent 1");
  EngineRecorder other;
  engineio::ClientSession second(other, now);
  second.receive_frame(false, kOpen, now);
  second.receive_frame(false, "1", now);
  EXPECT_EQ(other.log.size(), 2u);
  EXPECT_TRUE(second.ended());
}

class SocketRecorder final : public socketio::ClientSink {
 public:
  void send_frame(const engineio::Frame& frame) override { log.push_back("sent " + *frame.data); }
  void close_session(std::string_view why) override { log.push_back("close: " + std::string(why)); }
  void joined() override { log.emplace_back("joined"); }
  void event(std::string_view name, std::optional<socketio::AckId> id,
             socketio::Arguments arguments) override {
    std::string line = "event " + std::string(name) + (id ? " #" + std::to_string(*id) : "");
    for (const auto argument : arguments.json) line += ' ' + std::string(argument);
    for (const auto& attachment : arguments.attachments) line += " <" + attachment + '>';
    log.push_back(line);
  }
  void acked(socketio::AckId id, socketio::Arguments arguments) override {
    socketio::append_array(log.emplace_back("ack #" + std::to_string(id) + ' '), {}, arguments.json);
  }
  std::vector<std::string> log;
};

struct SocketClientTest : testing::Test {
  SocketRecorder sink;
  socketio::Client client{sink};
  using Log = std::vector<std::string>;
};

TEST_F(SocketClientTest, JoinsAndTakesEventsAndAcks) {
  client.open(R"({"agent":"1"})");
  client.receive(false, R"(0{"sid":"x"})");
  EXPECT_TRUE(client.joined());
  client.receive(false, R"(2["update",{"id":3}])");
  client.receive(false, R"(21["evalRequest","1+1"])");
  client.receive(false, R"(32[null,4])");
  client.receive(false, R"(51-["writeFile","a",{"_placeholder":true,"num":0}])");
  client.receive(true, "bytes");
  EXPECT_EQ(sink.log, (Log{"sent 40{\"agent\":\"1\"}", "joined", "event update {\"id\":3}",
                           "event evalRequest #1 \"1+1\"", "ack #2 [null,4]",
                           "event writeFile \"a\" {\"_placeholder\":true,\"num\":0} <bytes>"}));
}

TEST_F(SocketClientTest, ARefusalOrADisconnectEndsIt) {
  client.open("");
  client.receive(false, R"(4{"message":"Invalid namespace"})");
  EXPECT_EQ(sink.log.back(), "close: the server refused CONNECT: {\"message\":\"Invalid namespace\"}");
  SocketRecorder other;
  socketio::Client second(other);
  second.receive(false, R"(0{"sid":"x"})");
  second.receive(false, "1");
  second.receive(false, R"(2["late"])");
  EXPECT_EQ(other.log, (Log{"joined", "close: the server ended the connection"}));
}

TEST_F(SocketClientTest, WhatBreaksTheProtocolEndsIt) {
  for (const std::string_view bad : {"2[\"early\"]", "x", "2{}", "3[1]"}) {
    SocketRecorder recorder;
    socketio::Client fresh(recorder);
    fresh.receive(false, bad);
    ASSERT_EQ(recorder.log.size(), 1u) << bad;
    EXPECT_TRUE(recorder.log.front().starts_with("close: ")) << bad;
  }
}

}  // namespace
}  // namespace smaster
