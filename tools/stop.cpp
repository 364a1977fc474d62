// smaster stop: ends the server cleanly.
#include <boost/json/object.hpp>

#include "base/text.hpp"
#include "json/json.hpp"
#include "tool.hpp"

int main(int argc, char** argv) {
  using namespace smaster;
  tools::Tool tool("stop", "Stop the server cleanly; shards reconnect when it is started again",
                   "  smaster stop\n  smaster stop --yes --socket /run/smaster/control.sock");
  tool.add_yes_flag();
  tool.add_client_flags(Millis{10'000});
  return tool.run(argc, argv, [&] {
    if (!tool.yes) {
      const auto server = tools::fetch(tool.client(), "/v1/server");
      if (!server) return tool.report(server.error());
      std::int64_t clients = 0;
      std::int64_t patience = 0;
      json::read(*server, "clients", clients);
      json::read(*server, "assume_dead_ms", patience);
      if (clients > 0) {
        const auto refused = tool.confirm(
            "This stops the server. " + std::to_string(clients) +
            (clients == 1 ? " shard is" : " shards are") + " connected to it: bots run on for " +
            format_duration(Millis{patience}) + " without a server, then their agents stop them.");
        if (refused) return *refused;
      }
    }
    const auto answer = tool.client().request("POST", "/v1/stop");
    return answer ? static_cast<int>(tools::kDone) : tool.report(answer.error());
  });
}
