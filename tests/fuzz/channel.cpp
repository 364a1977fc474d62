// Whatever a bot writes into its channel: it may be ignored, but never break the agent.
#include "agent/bot/channel.hpp"

namespace {

using namespace smaster::agent;

class Sink final : public ChannelSink {
 public:
  bool to_bot(std::string) override { return true; }
  void bot_state(BotState) override {}
  void bot_request(Request, std::string reply) override {
    if (channel != nullptr) channel->reply(reply, {true, "1"});
  }
  Channel* channel = nullptr;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Sink sink;
  Channel channel(sink);
  sink.channel = &channel;
  channel.eval("1", [](const Outcome&) {});
  channel.fetch_prop("a", [](const Outcome&) {});
  channel.message("1", 0, [](const Outcome&) {});
  LineReader lines(4096);
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  lines.receive(text.substr(0, size / 2), [&](std::string_view line) { channel.receive(line); });
  lines.receive(text.substr(size / 2), [&](std::string_view line) { channel.receive(line); });
  channel.fail_all(error_outcome("Error", "over"));
  return 0;
}
