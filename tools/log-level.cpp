// smaster log-level: shows or sets the running server's log level.
#include <boost/json/object.hpp>

#include "json/json.hpp"
#include "tool.hpp"

int main(int argc, char** argv) {
  using namespace smaster;
  tools::Tool tool("log-level", "Change how much the running server logs, or print it",
                   "  smaster log-level debug\n  smaster log-level");
  std::string level;
  tool.app.add_option("LEVEL", level, "debug, info, warn or error")
      ->check(CLI::IsMember({"debug", "info", "warn", "error"}));
  tool.add_client_flags(Millis{5'000});

  return tool.run(argc, argv, [&] {
    if (level.empty()) {
      const auto now = tools::fetch(tool.client(), "/v1/log-level");
      if (!now) return tool.report(now.error());
      json::read(*now, "level", level);
      tools::print(level + '\n');
      return static_cast<int>(tools::kDone);
    }
    const auto set = tool.client().request("POST", "/v1/log-level",
                                           json::serialize(boost::json::object{{"level", level}}));
    return set ? static_cast<int>(tools::kDone) : tool.report(set.error());
  });
}
