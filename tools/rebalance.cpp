// smaster rebalance: evens out the shard ids over the hosts.
#include "follow.hpp"

int main(int argc, char** argv) {
  using namespace smaster;
  tools::Tool tool("rebalance", "Even out the shard ids over the hosts, one process at a time",
                   "  smaster rebalance --dry-run\n  smaster rebalance --wait");
  bool dry_run = false;
  bool wait = false;
  bool as_json = false;
  tool.app.add_flag("--dry-run", dry_run, "Only show the plan");
  tool.app.add_flag("--wait", wait, "Show the progress until it is done");
  tool.app.add_flag("--json", as_json, "One JSON object a line");
  tool.add_client_flags(Millis{3'600'000});
  return tool.run(argc, argv, [&] {
    return tools::follow_change(tool, "/v1/rebalance",
                                {{"dry_run", dry_run}, {"wait", wait}, {"timeout_ms", tool.timeout.count()}},
                                as_json);
  });
}
