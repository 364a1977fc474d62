// Sends back every Engine.IO message it gets: what the Engine.IO protocol's public suite runs against.
#include "conformance/echo_main.hpp"

namespace {

using namespace smaster;

class EngineEcho final : public net::Upper {
 public:
  void opened(net::Link& link, Instant) override { link_ = &link; }
  void receive(bool binary, std::string_view data) override {
    link_->send_frame(binary ? engineio::binary_frame(std::string(data))
                             : engineio::text_frame(engineio::PacketType::message, data));
  }
  void closed(engineio::CloseReason) override {}

 private:
  net::Link* link_ = nullptr;
};

}  // namespace

int main(int argc, char** argv) {
  return conformance::serve_echo(argc, argv, "/engine.io/", []() -> std::unique_ptr<net::Upper> {
    return std::make_unique<EngineEcho>();
  });
}
