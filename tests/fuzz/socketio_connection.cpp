// Messages of any kind against a Socket.IO connection: none may crash it, and what it hands on must be JSON.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "json/json.hpp"
#include "wire/socketio/connection.hpp"

namespace {

using namespace smaster::socketio;

class Sink final : public ConnectionSink {
 public:
  void send_frame(const smaster::engineio::Frame&) override {}
  void close_session(std::string_view) override { ++closed; }
  std::string new_sid() override { return "sid"; }
  bool has_namespace(std::string_view nsp) const override { return nsp.size() < 5; }
  void connected(std::string_view, std::string_view auth) override { check(auth); }
  void disconnected(std::string_view) override {}
  void event(std::string_view, std::string_view, std::optional<AckId>, Arguments arguments) override {
    for (const auto argument : arguments.json) check(argument);
  }
  void acked(std::string_view, AckId, Arguments arguments) override {
    for (const auto argument : arguments.json) check(argument);
  }
  static void check(std::string_view json) {
    if (!smaster::json::valid(json)) std::abort();
  }
  int closed = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Sink sink;
  Connection connection(sink, {});
  connection.receive(false, "0");
  for (std::size_t at = 0; at + 1 < size;) {
    const std::size_t length = std::min<std::size_t>(data[at + 1], size - at - 2);
    connection.receive(data[at] % 4 == 0, {reinterpret_cast<const char*>(data) + at + 2, length});
    at += 2 + length;
  }
  if (sink.closed > 1) std::abort();
  return 0;
}
