// A client's Engine.IO session under whatever a server may send.
#include "wire/engineio/client.hpp"

namespace {

using namespace smaster;

class Sink final : public engineio::ClientSink {
 public:
  void opened() override {}
  void deliver(bool, std::string_view) override {}
  void transmit(const engineio::Frame&) override {}
  void ended(engineio::CloseReason) override { ++ends; }
  int ends = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Sink sink;
  const Instant now{};
  engineio::ClientSession session(sink, now);
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  while (!rest.empty()) {
    const auto end = rest.find('\n');
    auto line = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    if (line.starts_with('p')) {
      session.receive_payload(line.substr(1), now);
    } else {
      session.receive_frame(line.starts_with('b'), line.substr(line.starts_with('b') ? 1 : 0), now);
    }
  }
  session.close();
  session.tick(session.deadline());
  if (sink.ends != 1) __builtin_trap();
  return 0;
}
