#include <gtest/gtest.h>

#include "wire/socketio/connection.hpp"

namespace smaster::socketio {
namespace {

class Recorder final : public ConnectionSink {
 public:
  void send_frame(const engineio::Frame& frame) override { sent.push_back(*frame.data); }
  void close_session(std::string_view why) override { closes.emplace_back(why); }
  std::string new_sid() override { return "sid" + std::to_string(++sids); }
  bool has_namespace(std::string_view nsp) const override { return nsp == "/" || nsp == "/custom"; }
  void connected(std::string_view nsp, std::string_view auth) override {
    log.push_back("connected " + std::string(nsp) + ' ' + std::string(auth));
  }
  void disconnected(std::string_view nsp) override { log.push_back("disconnected " + std::string(nsp)); }
  void event(std::string_view nsp, std::string_view name, std::optional<AckId> ack_id,
             Arguments arguments) override {
    append_array(log.emplace_back("event " + std::string(nsp) + ' ' + std::string(name) + ' ' +
                                  (ack_id ? std::to_string(*ack_id) : "-") + ' '),
                 {}, arguments.json);
    attachments = arguments.attachments;
  }
  void acked(std::string_view nsp, AckId ack_id, Arguments arguments) override {
    append_array(log.emplace_back("ack " + std::string(nsp) + ' ' + std::to_string(ack_id) + ' '), {},
                 arguments.json);
    attachments = arguments.attachments;
  }

  std::vector<std::string> sent, closes, log, attachments;
  int sids = 0;
};

class SocketIoConnection : public testing::Test {
 protected:
  void join() {
    connection_.receive(false, "0");
    sink_.sent.clear();
    sink_.log.clear();
  }
  Recorder sink_;
  Connection connection_{sink_, Instant{} + Millis{45'000}};
};

TEST_F(SocketIoConnection, ConnectIsAnsweredWithASidOfItsOwnANamespace) {
  connection_.receive(false, "0");
  connection_.receive(false, R"(0/custom,{"token":"abc"})");
  EXPECT_EQ(sink_.sent, (std::vector<std::string>{R"(40{"sid":"sid1"})", R"(40/custom,{"sid":"sid2"})"}));
  EXPECT_EQ(sink_.log, (std::vector<std::string>{"connected / {}", R"(connected /custom {"token":"abc"})"}));
}

TEST_F(SocketIoConnection, AttachmentsThatDoNotComeInTimeCloseIt) {
  join();
  EXPECT_FALSE(connection_.needs_deadline());
  connection_.receive(false, R"(51-["x",{"_placeholder":true,"num":0}])");
  ASSERT_TRUE(connection_.needs_deadline());
  connection_.complete_by(Instant{} + Millis{1'000});
  EXPECT_EQ(connection_.deadline(), Instant{} + Millis{1'000});
  connection_.tick(Instant{} + Millis{999});
  EXPECT_TRUE(sink_.closes.empty());
  connection_.tick(Instant{} + Millis{1'000});
  EXPECT_EQ(sink_.closes.size(), 1u);
}

TEST_F(SocketIoConnection, UnknownNamespaceIsRefusedAndTheConnectionStays) {
  connection_.receive(false, "0/random");
  EXPECT_EQ(sink_.sent, (std::vector<std::string>{R"(44/random,{"message":"Invalid namespace"})"}));
  EXPECT_TRUE(sink_.closes.empty());
}

TEST_F(SocketIoConnection, NoConnectInTimeClosesIt) {
  connection_.tick(Instant{} + Millis{44'999});
  EXPECT_TRUE(sink_.closes.empty());
  connection_.tick(Instant{} + Millis{45'000});
  EXPECT_EQ(sink_.closes.size(), 1u);
}

TEST_F(SocketIoConnection, JoinedConnectionHasNoDeadline) {
  join();
  EXPECT_FALSE(connection_.deadline());
}

TEST_F(SocketIoConnection, EventsAndAcksAreHandedOn) {
  join();
  connection_.receive(false, R"(2["status",{"id":"abc"}])");
  connection_.receive(false, R"(25["broadcastEval","1+1"])");
  connection_.receive(false, "37[null,2]");
  EXPECT_EQ(sink_.log, (std::vector<std::string>{R"(event / status - [{"id":"abc"}])",
                                                 R"(event / broadcastEval 5 ["1+1"])", "ack / 7 [null,2]"}));
}

TEST_F(SocketIoConnection, AttachmentsComeWithTheirEvent) {
  join();
  connection_.receive(false, R"(52-["file",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}])");
  connection_.receive(true, "one");
  EXPECT_TRUE(sink_.log.empty());
  connection_.receive(true, "two");
  EXPECT_EQ(sink_.log.size(), 1u);
  EXPECT_EQ(sink_.attachments, (std::vector<std::string>{"one", "two"}));
}

TEST_F(SocketIoConnection, MissingAndExtraAttachmentsCloseIt) {
  for (const bool extra : {false, true}) {
    Recorder sink;
    Connection connection(sink, {});
    connection.receive(false, "0");
    if (extra) {
      connection.receive(true, "unasked");
    } else {
      connection.receive(false, R"(51-["file",{"_placeholder":true,"num":0}])");
      connection.receive(false, R"(2["next"])");
    }
    EXPECT_EQ(sink.closes.size(), 1u);
  }
}

TEST_F(SocketIoConnection, PlaceholderOutOfRangeClosesIt) {
  join();
  connection_.receive(false, R"(51-["file",{"_placeholder":true,"num":1}])");
  EXPECT_EQ(sink_.closes.size(), 1u);
}

TEST_F(SocketIoConnection, PacketsForNamespacesNotJoinedCloseIt) {
  connection_.receive(false, R"(2["early"])");
  EXPECT_EQ(sink_.closes.size(), 1u);
  EXPECT_TRUE(sink_.log.empty());
}

TEST_F(SocketIoConnection, SecondConnectToOneNamespaceClosesIt) {
  join();
  connection_.receive(false, "0");
  EXPECT_EQ(sink_.closes.size(), 1u);
}

TEST_F(SocketIoConnection, DisconnectLeavesOnlyThatNamespace) {
  join();
  connection_.receive(false, "0/custom");
  connection_.receive(false, "1/custom");
  connection_.receive(false, R"(2["still"])");
  EXPECT_EQ(sink_.log.back(), "event / still - []");
  EXPECT_TRUE(sink_.closes.empty());
}

TEST_F(SocketIoConnection, ConnectErrorIsNotForClientsToSend) {
  connection_.receive(false, R"(4{"message":"x"})");
  EXPECT_EQ(sink_.closes.size(), 1u);
}

TEST_F(SocketIoConnection, NothingIsHeardAfterAProtocolError) {
  join();
  connection_.receive(false, "abc");
  connection_.receive(false, R"(2["late"])");
  EXPECT_EQ(sink_.closes.size(), 1u);
  EXPECT_TRUE(sink_.log.empty());
}

TEST_F(SocketIoConnection, AckWithAttachmentsIsABinaryAck) {
  join();
  connection_.ack("/", 789, {R"({"_placeholder":true,"num":0})"}, {"bytes"});
  EXPECT_EQ(sink_.sent, (std::vector<std::string>{R"(461-789[{"_placeholder":true,"num":0}])", "bytes"}));
}

TEST_F(SocketIoConnection, EventNamesAreQuotedAsJson) {
  const auto frames = encode_event("/", "a\"b", 3, {"1"});
  EXPECT_EQ(*frames.front().data, R"(423["a\"b",1])");
}

}  // namespace
}  // namespace smaster::socketio
