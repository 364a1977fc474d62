// A client's Socket.IO connection under whatever a server may send: a line is a message, one that begins with
// b binary.
#include "wire/socketio/client.hpp"

namespace {

using namespace smaster;

class Sink final : public socketio::ClientSink {
 public:
  void send_frame(const engineio::Frame&) override {}
  void close_session(std::string_view) override {}
  void joined() override {}
  void event(std::string_view, std::optional<socketio::AckId> id, socketio::Arguments arguments) override {
    if (id) (void)socketio::encode_ack("/", *id, arguments.json, arguments.attachments);
  }
  void acked(socketio::AckId, socketio::Arguments) override {}
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Sink sink;
  socketio::Client client(sink);
  client.open("");
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  while (!rest.empty()) {
    const auto end = rest.find('\n');
    const auto line = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    client.receive(line.starts_with('b'), line.starts_with('b') ? line.substr(1) : line);
  }
  return 0;
}
