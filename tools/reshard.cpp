// smaster reshard: changes the shard count.
#include <boost/json/array.hpp>

#include "follow.hpp"
#include "json/json.hpp"

namespace {

using namespace smaster;

/// What a change to fewer shards does; empty: nothing that would have to be asked.
Result<std::string> question(const tools::Tool& tool, std::int64_t count) {
  const auto stats = tools::fetch(tool.client(), "/v1/stats");
  if (!stats) return stats.error();
  std::int64_t goal = -1;
  json::read(*stats, "goal", goal);
  std::size_t shards = 0;
  for (const auto& shard : stats->at("shards").as_array()) {
    std::int64_t id = -1;
    json::read(shard.as_object(), "goalShardId", id);
    shards += id >= 0 && !shard.at("isMaster").as_bool() ? 1 : 0;
  }
  if (shards == 0 || count >= goal) return std::string();
  if (count > 0) {
    return "This makes " + std::to_string(count) + " shards of " + std::to_string(goal) +
           ": the bots log in anew, and " +
           (count + 1 == goal ? "id " : "ids " + std::to_string(count) + " to ") + std::to_string(goal - 1) +
           (count + 1 == goal ? " ends." : " end.");
  }
  return "This stops all bots: " + std::to_string(shards) +
         " shards have ids and get none until the next \"smaster reshard\".";
}

}  // namespace

int main(int argc, char** argv) {
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
  tool.add_yes_flag();
  flags.add_to(tool);
  return tool.run(argc, argv, [&] {
    const boost::json::object request{{"count", count}, {"strategy", strategy}};
    if (tool.yes || flags.dry_run) return tools::follow_change(tool, "/v1/reshard", request, flags);
    const auto harm = question(tool, count);
    if (!harm) return tool.report(harm.error());
    return harm->empty() ? tools::follow_change(tool, "/v1/reshard", request, flags)
                         : tools::follow_asked(tool, "/v1/reshard", request, flags, *harm);
  });
}
