// Sequences of transport events against the Engine.IO session: none may crash it, end it twice, or make it
// speak after its end.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "wire/engineio/session.hpp"

namespace {

using namespace smaster::engineio;

class Sink final : public SessionSink {
 public:
  void deliver(bool, std::string_view) override { check(); }
  void answer_poll(Payload) override { --waiting; }
  void send_frame(Channel, const Frame&) override { check(); }
  void close_channel(Channel) override {}
  void upgraded() override { check(); }
  void ended(CloseReason) override {
    check();
    over = true;
  }
  void check() const {
    if (over || waiting < 0) std::abort();
  }
  bool over = false;
  int waiting = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Options options;
  Sink sink;
  smaster::Instant now{};
  if (size == 0) return 0;
  Session session(options, (data[0] & 1) != 0 ? Transport::polling : Transport::websocket, sink, now);
  Payload payload;
  for (std::size_t at = 1; at + 1 < size;) {
    const auto action = data[at];
    const std::size_t length = std::min<std::size_t>(data[at + 1], size - at - 2);
    const std::string_view text(reinterpret_cast<const char*>(data) + at + 2, length);
    at += 2 + length;
    switch (action % 11) {
      case 0:
        if (session.poll(payload) == Session::Answer::waiting) ++sink.waiting;
        break;
      case 1:
        if (sink.waiting > 0) {
          --sink.waiting;
          session.poll_cancelled();
        }
        break;
      case 2:
        (void)session.post(text, now);
        break;
      case 3:
        (void)session.probe_opened(now);
        break;
      case 4:
        session.probe_frame((action & 64) != 0, text);
        break;
      case 5:
        session.probe_closed();
        break;
      case 6:
        if (session.transport() == Transport::websocket) session.frame((action & 64) != 0, text, now);
        break;
      case 7:
        session.send(text_frame(PacketType::message, text));
        break;
      case 8:
        session.close();
        break;
      case 9:
        now += smaster::Millis{static_cast<int>(length) * 1000};
        session.tick(now);
        break;
      case 10:
        session.closed_by_transport(CloseReason::transport_close);
        break;
    }
  }
  return 0;
}
