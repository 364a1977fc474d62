// The session's rules, one test each: what goes in, what comes out. Time is a number here.
#include <gtest/gtest.h>

#include "wire/engineio/session.hpp"

namespace smaster::engineio {
namespace {

using Answer = Session::Answer;

/// Writes down what the session asks for.
class Recorder final : public SessionSink {
 public:
  void deliver(bool binary, std::string_view data) override {
    delivered.push_back((binary ? "b:" : "t:") + std::string(data));
  }
  void answer_poll(Payload payload) override { polls.push_back(encode_payload(payload)); }
  void send_frame(Channel channel, const Frame& frame) override {
    frames.push_back((channel == Channel::main ? "main:" : "probe:") + *frame.data);
  }
  void close_channel(Channel channel) override { closed.push_back(channel); }
  void upgraded() override { ++upgrades; }
  void ended(CloseReason reason) override { ends.push_back(reason); }

  std::vector<std::string> delivered, polls, frames;
  std::vector<Channel> closed;
  std::vector<CloseReason> ends;
  int upgrades = 0;
};

class EngineIoSession : public testing::Test {
 protected:
  static Frame message(std::string_view text) { return text_frame(PacketType::message, text); }
  Instant at(int ms) const { return start_ + Millis{ms}; }
  /// A poll's answer at once, or "waiting" or "refused".
  static std::string poll(Session& session) {
    Payload payload;
    switch (session.poll(payload)) {
      case Answer::ok:
        return encode_payload(payload);
      case Answer::waiting:
        return "waiting";
      case Answer::refused:
        break;
    }
    return "refused";
  }

  Instant start_{};
  Options options_{
      .ping_interval = Millis{300}, .ping_timeout = Millis{200}, .max_payload = 1000, .max_queued = 1000};
  Recorder sink_;
  Session polling_{options_, Transport::polling, sink_, start_};
};

TEST_F(EngineIoSession, HandshakeHasItsFiveKeysAndOffersTheUpgradeOnlyToPolling) {
  EXPECT_EQ(
      *polling_.handshake("abc").data,
      R"(0{"sid":"abc","upgrades":["websocket"],"pingInterval":300,"pingTimeout":200,"maxPayload":1000})");
  const Session websocket(options_, Transport::websocket, sink_, start_);
  EXPECT_EQ(*websocket.handshake("abc").data,
            R"(0{"sid":"abc","upgrades":[],"pingInterval":300,"pingTimeout":200,"maxPayload":1000})");
}

TEST_F(EngineIoSession, PollTakesEverythingThatIsQueuedInOrder) {
  polling_.send(message("a"));
  polling_.send(binary_frame("\x01"));
  polling_.send(message("b"));
  EXPECT_EQ(poll(polling_),
            "4a\x1e"
            "bAQ==\x1e"
            "4b");
}

TEST_F(EngineIoSession, PollWaitsForTheNextPacketAndGetsItOnce) {
  EXPECT_EQ(poll(polling_), "waiting");
  polling_.send(message("a"));
  EXPECT_EQ(sink_.polls, (std::vector<std::string>{"4a"}));
  EXPECT_EQ(poll(polling_), "waiting");
}

TEST_F(EngineIoSession, PostDeliversEveryPacketInOrder) {
  EXPECT_EQ(polling_.post("4a\x1e"
                          "bAQ==\x1e"
                          "4c",
                          at(1)),
            Answer::ok);
  EXPECT_EQ(sink_.delivered, (std::vector<std::string>{"t:a", "b:\x01", "t:c"}));
}

TEST_F(EngineIoSession, WebsocketTakesBinaryAsTextToo) {
  Session websocket(options_, Transport::websocket, sink_, start_);
  websocket.frame(false, "bAQ==", at(1));
  EXPECT_EQ(sink_.delivered, (std::vector<std::string>{"b:\x01"}));
  websocket.frame(false, "b!", at(1));
  EXPECT_EQ(sink_.ends, (std::vector{CloseReason::parse_error}));
}

TEST_F(EngineIoSession, ClientsThatTakeOnlyTextGetBinaryAsBase64AlsoWhatWaitedForTheUpgrade) {
  polling_.set_text_only();
  polling_.send(binary_frame("\x01"));
  EXPECT_TRUE(polling_.probe_opened(at(1)));
  polling_.probe_frame(false, "2probe");
  polling_.probe_frame(false, "5");
  polling_.send(binary_frame("\x02"));
  polling_.send(message("t"));
  EXPECT_EQ(sink_.frames, (std::vector<std::string>{"probe:3probe", "main:bAQ==", "main:bAg==", "main:4t"}));
}

TEST_F(EngineIoSession, SecondPollAtOnceClosesTheSession) {
  EXPECT_EQ(poll(polling_), "waiting");
  EXPECT_EQ(poll(polling_), "refused");
  EXPECT_EQ(sink_.polls, (std::vector<std::string>{"1"}));
  EXPECT_EQ(sink_.ends, (std::vector{CloseReason::transport_error}));
  EXPECT_EQ(poll(polling_), "refused");
}

TEST_F(EngineIoSession, CancelledPollClosesTheSession) {
  EXPECT_EQ(poll(polling_), "waiting");
  polling_.poll_cancelled();
  EXPECT_EQ(sink_.ends, (std::vector{CloseReason::transport_close}));
}

TEST_F(EngineIoSession, MalformedPostIsRefusedAndClosesTheSession) {
  for (const char* body : {"abc", "", "4a\x1e", "b!!", "0", "2", "5"}) {
    Recorder sink;
    Session session(options_, Transport::polling, sink, start_);
    EXPECT_EQ(session.post(body, at(1)), Answer::refused) << body;
    EXPECT_EQ(sink.ends, (std::vector{CloseReason::parse_error})) << body;
  }
}

TEST_F(EngineIoSession, PostedCloseAnswersTheWaitingPollWithNoop) {
  EXPECT_EQ(poll(polling_), "waiting");
  EXPECT_EQ(polling_.post("1", at(1)), Answer::ok);
  EXPECT_EQ(sink_.polls, (std::vector<std::string>{"6"}));
  EXPECT_EQ(sink_.ends, (std::vector{CloseReason::client_close}));
}

TEST_F(EngineIoSession, PingsEveryIntervalAndPongsKeepItAlive) {
  Session session(options_, Transport::websocket, sink_, start_);
  for (int round = 0; round < 3; ++round) {
    const int due = 300 + round * 301;
    session.tick(at(due - 1));
    EXPECT_EQ(sink_.frames.size(), static_cast<std::size_t>(round));
    session.tick(at(due));
    ASSERT_EQ(sink_.frames.size(), static_cast<std::size_t>(round + 1));
    EXPECT_EQ(sink_.frames.back(), "main:2");
    session.frame(false, "3", at(due + 1));
  }
  EXPECT_TRUE(sink_.ends.empty());
}

TEST_F(EngineIoSession, MissingPongClosesTheSessionAfterTheTimeout) {
  Session session(options_, Transport::websocket, sink_, start_);
  session.tick(at(300));
  session.tick(at(499));
  EXPECT_TRUE(sink_.ends.empty());
  EXPECT_EQ(session.deadline(), at(500));
  session.tick(at(500));
  EXPECT_EQ(sink_.ends, (std::vector{CloseReason::ping_timeout}));
}

TEST_F(EngineIoSession, UnaskedPongsDoNotPostponeThePing) {
  Session session(options_, Transport::websocket, sink_, start_);
  session.frame(false, "3", at(299));
  EXPECT_EQ(session.deadline(), at(300));
}

TEST_F(EngineIoSession, UpgradeReleasesTheWaitingPollAndMovesTheQueue) {
  EXPECT_EQ(poll(polling_), "waiting");
  ASSERT_TRUE(polling_.probe_opened(at(1)));
  polling_.probe_frame(false, "2probe");
  EXPECT_EQ(sink_.frames, (std::vector<std::string>{"probe:3probe"}));
  EXPECT_EQ(sink_.polls, (std::vector<std::string>{"6"}));
  polling_.send(message("a"));
  polling_.send(message("b"));
  polling_.probe_frame(false, "5");
  EXPECT_EQ(sink_.upgrades, 1);
  EXPECT_EQ(sink_.frames, (std::vector<std::string>{"probe:3probe", "main:4a", "main:4b"}));
  EXPECT_EQ(poll(polling_), "refused");
  EXPECT_TRUE(sink_.ends.empty());
}

TEST_F(EngineIoSession, PacketsDuringAnUpgradeGoOutOnceWhicheverWayTheyGo) {
  ASSERT_TRUE(polling_.probe_opened(at(1)));
  polling_.probe_frame(false, "2probe");
  polling_.send(message("a"));
  EXPECT_EQ(poll(polling_), "4a");
  EXPECT_EQ(poll(polling_), "6") << "a poll during the upgrade must not wait";
  polling_.send(message("b"));
  polling_.probe_frame(false, "5");
  EXPECT_EQ(sink_.frames, (std::vector<std::string>{"probe:3probe", "main:4b"}));
}

TEST_F(EngineIoSession, SecondWebsocketIsRefusedAndTheFirstLivesOn) {
  ASSERT_TRUE(polling_.probe_opened(at(1)));
  EXPECT_FALSE(polling_.probe_opened(at(2)));
  polling_.probe_frame(false, "2probe");
  polling_.probe_frame(false, "5");
  EXPECT_FALSE(polling_.probe_opened(at(3)));
  polling_.frame(false, "4x", at(4));
  EXPECT_EQ(sink_.delivered, (std::vector<std::string>{"t:x"}));
}

TEST_F(EngineIoSession, UnfinishedUpgradeTimesOutAndPollingGoesOn) {
  ASSERT_TRUE(polling_.probe_opened(at(1)));
  polling_.tick(at(1) + options_.upgrade_timeout);
  EXPECT_EQ(sink_.closed, (std::vector{Channel::probe}));
}

TEST_F(EngineIoSession, WrongWordsOnTheProbeCloseOnlyTheProbe) {
  ASSERT_TRUE(polling_.probe_opened(at(1)));
  polling_.probe_frame(false, "4x");
  EXPECT_EQ(sink_.closed, (std::vector{Channel::probe}));
  EXPECT_TRUE(sink_.delivered.empty());
  EXPECT_TRUE(sink_.ends.empty());
  EXPECT_TRUE(polling_.probe_opened(at(2))) << "another try is allowed";
}

TEST_F(EngineIoSession, MalformedFrameClosesTheSession) {
  Session session(options_, Transport::websocket, sink_, start_);
  session.frame(false, "abc", at(1));
  EXPECT_EQ(sink_.ends, (std::vector{CloseReason::parse_error}));
  EXPECT_EQ(sink_.closed, (std::vector{Channel::main}));
  session.frame(false, "4x", at(2));
  EXPECT_TRUE(sink_.delivered.empty());
}

TEST_F(EngineIoSession, ClientThatNeverPollsIsCutBeforeItsQueueGrows) {
  polling_.send(message(std::string(400, 'x')));
  EXPECT_TRUE(sink_.ends.empty());
  polling_.send(message(std::string(400, 'x')));
  EXPECT_TRUE(sink_.ends.empty()) << "the caller of send is in the middle of using the session";
  EXPECT_TRUE(polling_.overfull());
  polling_.send(message("y"));
  EXPECT_EQ(poll(polling_), "refused");
  EXPECT_EQ(polling_.post("4z", at(1)), Answer::refused);
  EXPECT_LE(polling_.deadline(), at(1));
  polling_.tick(at(1));
  EXPECT_EQ(sink_.ends, (std::vector{CloseReason::too_slow}));
}

TEST_F(EngineIoSession, PollIsAnsweredWithABoundedPartOfTheQueueAndTheNextWithTheRest) {
  Options options{.max_answer = 300};
  Session session(options, Transport::polling, sink_, start_);
  for (const char* text : {"aaaa", "bbbb", "cccc"}) session.send(message(text));
  EXPECT_EQ(poll(session),
            "4aaaa\x1e"
            "4bbbb");
  session.close();
  EXPECT_EQ(poll(session),
            "4cccc\x1e"
            "1")
      << "the close comes after all of it";
  EXPECT_EQ(sink_.ends, (std::vector{CloseReason::server_close}));
}

TEST_F(EngineIoSession, FileIsTheLastPacketOfItsAnswer) {
  class Nothing final : public FrameSource {
    void read(std::size_t, Then then) override { then(""); }
  };
  Options options;
  Session session(options, Transport::polling, sink_, start_);
  session.send(message("header"));
  session.send({true, nullptr, nullptr, std::make_shared<Nothing>()});
  session.send({true, nullptr, nullptr, std::make_shared<Nothing>()});
  session.send(message("next"));
  Payload payload;
  for (const std::size_t packets : {2u, 1u, 1u}) {
    ASSERT_EQ(session.poll(payload), Answer::ok);
    EXPECT_EQ(payload.size(), packets);
  }
}

TEST_F(EngineIoSession, OurCloseReachesAPollingClientAtItsNextPollAfterWhatWasQueued) {
  polling_.send(message("last"));
  polling_.close();
  EXPECT_TRUE(sink_.ends.empty());
  EXPECT_EQ(poll(polling_),
            "4last\x1e"
            "1");
  EXPECT_EQ(sink_.ends, (std::vector{CloseReason::server_close}));
}

TEST_F(EngineIoSession, ProbeIsNotAnsweredAfterTheEnd) {
  ASSERT_TRUE(polling_.probe_opened(at(1)));
  (void)polling_.post("1", at(2));
  polling_.probe_frame(false, "2probe");
  EXPECT_TRUE(sink_.frames.empty());
  EXPECT_EQ(sink_.closed.front(), Channel::probe);
}

TEST_F(EngineIoSession, EndIsToldExactlyOnce) {
  polling_.close();
  polling_.poll_cancelled();
  Payload payload;
  (void)polling_.poll(payload);
  polling_.closed_by_transport(CloseReason::transport_error);
  polling_.tick(at(100'000));
  EXPECT_EQ(sink_.ends.size(), 1u);
}

}  // namespace
}  // namespace smaster::engineio
