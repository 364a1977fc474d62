// smaster reshard: changes the shard count.
#include <boost/json/array.hpp>

#include "follow.hpp"
#include "json/json.hpp"

namespace {

using namespace smaster;

/// For the count 0: asks whether all bots are to stop, if any runs. Returns the exit code to end with.
std::optional<int> confirm_end(const tools::Tool& tool) {
  std::size_t ids = 0;
  const auto add = [&ids](const boost::json::value& shard) {
    std::int64_t id = -1;
    json::read(shard.as_object(), "goalShardId", id);
    ids += id >= 0 && !shard.at("isMaster").as_bool() ? 1 : 0;
  };
  const auto stats = tools::fetch(tool.client(), "/v1/stats");
  if (!stats) return tool.report(stats.error());
  for (const auto& shard : stats->at("shards").as_array()) add(shard);
  if (ids == 0) return std::nullopt;
  return tool.confirm("This stops all bots: " + std::to_string(ids) +
                      " shards have ids and get none until the next \"smaster reshard\".");
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
    if (count == 0 && !flags.dry_run && !tool.yes) {
      if (const auto refused = confirm_end(tool)) return *refused;
    }
    return tools::follow_change(tool, "/v1/reshard", {{"count", count}, {"strategy", strategy}}, flags);
  });
}
