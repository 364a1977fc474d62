// smaster rebalance: evens out the load of the hosts.
#include "follow.hpp"

int main(int argc, char** argv) {
  using namespace smaster;
  tools::Tool tool("rebalance", "Even out the shard ids over the hosts, one process at a time",
                   "  smaster rebalance --dry-run\n  smaster rebalance --wait");
  tools::ChangeFlags flags;
  flags.add_to(tool);
  return tool.run(argc, argv, [&] { return tools::follow_change(tool, "/v1/rebalance", {}, flags); });
}
