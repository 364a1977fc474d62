// smaster reshard: changes the shard count.
#include "follow.hpp"

int main(int argc, char** argv) {
  using namespace smaster;
  tools::Tool tool("reshard", "Change the shard count, showing first what will happen",
                   "  smaster reshard 8 --dry-run\n  smaster reshard 8 --strategy rolling --wait");
  int count = 0;
  std::string strategy = "auto";
  tools::ChangeFlags flags;
  tool.app.add_option("COUNT", count, "How many shards there are to be")
      ->required()
      ->check(CLI::Range(0, 100'000));
  tool.app
      .add_option(
          "--strategy", strategy,
          "rolling: some at a time; blue-green: on spares, which stop the old ones when all are up; at-once")
      ->type_name("HOW")
      ->check(CLI::IsMember({"auto", "rolling", "blue-green", "at-once"}))
      ->capture_default_str();
  flags.add_to(tool);
  return tool.run(argc, argv, [&] {
    return tools::follow_change(tool, "/v1/reshard", {{"count", count}, {"strategy", strategy}}, flags);
  });
}
