// smaster shards: the registry.
#include <boost/json/object.hpp>

#include "json/json.hpp"
#include "tool.hpp"

int main(int argc, char** argv) {
  using namespace smaster;
  tools::Tool tool("shards", "List, show or import the shards that the server knows",
                   "  smaster shards list\n  smaster shards import knownShards.json");
  bool as_json = false;
  std::string file;
  std::string name;
  tool.app.require_subcommand(1);
  tool.app.fallthrough();
  auto* const list = tool.app.add_subcommand("list", "Print the names, one a line");
  auto* const show = tool.app.add_subcommand("show", "Print one shard's registry row and state as JSON");
  show->add_option("NAME", name, "The shard's name")->required();
  auto* const import =
      tool.app.add_subcommand("import", "Take over the shards of a knownShards.json, all or none");
  import->add_option("FILE", file, "The file, or - for stdin")->required();
  tool.app.add_flag("--json", as_json, "Print JSON");
  tool.add_client_flags(Millis{60'000});

  return tool.run(argc, argv, [&] {
    const auto client = tool.client();
    if (*import) {
      auto text = tools::read_input(file);
      if (!text) return tool.report(fail(ErrorKind::bad_data, text.error().message));
      const auto answer = client.request("POST", "/v1/shards/import", std::move(*text));
      if (!answer) return tool.report(fail(answer.error().kind, file + ": " + answer.error().message));
      const auto counts = json::parse(*answer);
      if (!counts) return tool.report(counts.error());
      const auto& object = counts->as_object();
      tools::print(as_json ? *answer + '\n'
                           : "imported " + json::serialize(object.at("added")) + ", already known " +
                                 json::serialize(object.at("unchanged")) + '\n');
      return static_cast<int>(tools::kDone);
    }
    const auto stats = tools::fetch(client, "/v1/stats");
    if (!stats) return tool.report(stats.error());
    const auto& shards = stats->at("shards").as_array();
    if (*list) {
      if (as_json) tools::print(json::serialize(shards) + '\n');
      for (const auto& shard : shards) {
        if (!as_json) tools::print(std::string(shard.as_object().at("id").as_string()) + '\n');
      }
      return static_cast<int>(tools::kDone);
    }
    for (const auto& shard : shards) {
      if (std::string_view(shard.as_object().at("id").as_string()) != name) continue;
      tools::print(json::serialize(shard) + '\n');
      return static_cast<int>(tools::kDone);
    }
    return tool.report(fail(ErrorKind::not_found, "no shard is named \"" + name + '"'));
  });
}
