// smaster stop: ends the server cleanly.
#include "tool.hpp"

int main(int argc, char** argv) {
  using namespace smaster;
  tools::Tool tool("stop", "Stop the server cleanly; shards reconnect when it is started again",
                   "  smaster stop\n  smaster stop --socket /run/smaster/control.sock");
  tool.add_client_flags(Millis{10'000});
  return tool.run(argc, argv, [&] {
    const auto answer = tool.client().request("POST", "/v1/stop");
    return answer ? static_cast<int>(tools::kDone) : tool.report(answer.error());
  });
}
