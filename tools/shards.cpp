// smaster shards: shows and changes the registry.
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <chrono>
#include <set>
#include <thread>

#include "json/json.hpp"
#include "terminal.hpp"
#include "tool.hpp"

namespace {

using namespace smaster;
namespace bj = boost::json;

/// Sends a file's content; returns the JSON object of the response.
Result<bj::object> send(const control::Client& client, const std::string& target, const std::string& file) {
  const auto answer = tools::send_file(client, "POST", target, file);
  if (!answer) return answer.error();
  auto value = json::parse(*answer);
  if (!value) return value.error();
  return std::move(value->as_object());
}

/// Waits until the server answers: an import often follows its start in the same script.
Result<void> await_server(const control::Client& client, Millis longest) {
  const auto until = std::chrono::steady_clock::now() + longest;
  for (bool said = false;; said = true) {
    const auto answer = client.request("GET", "/v1/keys/rotation");
    if (answer) return {};
    if (answer.error().kind != ErrorKind::unavailable || std::chrono::steady_clock::now() >= until) {
      return answer.error();
    }
    if (!said) tools::say("waiting for the server: " + answer.error().message);
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
  }
}

struct Import {
  std::string known;
  std::string history;
  std::string key;
  bool force = false;
};

/// Imports the key first: shards that are already registered may prevent it. Then the shards, then their
/// history.
Result<bj::object> import(const control::Client& client, const Import& from) {
  bj::object done;
  if (!from.key.empty()) {
    auto imported =
        send(client, from.force ? "/v1/shards/master-key?force=1" : "/v1/shards/master-key", from.key);
    if (!imported) {
      const bool refused = imported.error().kind == ErrorKind::not_permitted;
      return fail(imported.error().kind,
                  imported.error().message + (refused ? "; --force does it all the same" : ""));
    }
    done["master_key"] = true;
    const auto* const revoked = imported->if_contains("revoked");
    if (revoked != nullptr && !revoked->as_array().empty()) done["revoked"] = *revoked;
  }
  auto shards = send(client, "/v1/shards/import", from.known);
  if (!shards) return shards.error();
  for (const auto& [key, value] : *shards) done[key] = value;
  if (!from.history.empty()) {
    auto history = send(client, "/v1/shards/history", from.history);
    if (!history) return history.error();
    done["history"] = std::move(*history);
  }
  return done;
}

std::string sentences(const bj::object& imported) {
  const auto count = [](const bj::value& value) { return json::serialize(value); };
  std::string text =
      "imported " + count(imported.at("added")) + ", already known " + count(imported.at("unchanged")) + '\n';
  if (const auto* const history = json::object_at(imported, "history")) {
    text += "history: " + count(history->at("samples")) + " statuses, " + count(history->at("old")) +
            " too old, " + count(history->at("unknown")) + " of unknown shards\n";
  }
  if (imported.contains("master_key")) text += "the master's key pair is the imported one\n";
  if (const auto* const revoked = imported.if_contains("revoked")) {
    text += "revoked, since their configs have the key before and were never used:";
    for (const auto& name : revoked->as_array()) text.append(" ").append(name.as_string());
    text += '\n';
  }
  return text;
}

/// Asks whether shards are to be revoked, if some of them run, or may still run without a connection. Returns
/// the exit code to end with.
std::optional<int> confirm_revoke(const tools::Tool& tool, const std::vector<std::string>& names) {
  const auto stats = tools::fetch(tool.client(), "/v1/stats");
  if (!stats) return tool.report(stats.error());
  const std::set<std::string, std::less<>> chosen(names.begin(), names.end());
  std::string running;
  for (const auto& value : stats->at("shards").as_array()) {
    const auto& shard = value.as_object();
    const std::string_view id = shard.at("id").as_string();
    const bool offline = shard.at("state") == "offline" && shard.at("currentShardId") != -1;
    const bool runs = shard.at("connected").as_bool() || offline;
    // A shard is revoked with its further processes: abc with abc-1.
    if (!runs || (!chosen.contains(id) && !chosen.contains(id.substr(0, id.find('-'))))) continue;
    running.append(running.empty() ? "" : ", ").append(id).append(offline ? " (offline, may still run)" : "");
  }
  if (running.empty()) return std::nullopt;
  return tool.confirm("This revokes shards that run, for good: " + running +
                      ". Each needs a new config to come back.");
}

/// Revokes shards; returns the names of all that were revoked.
Result<bj::array> revoke(const control::Client& client, const std::vector<std::string>& names) {
  std::string target = "/v1/shards";
  for (const auto& name : names)
    target += (target.find('?') == std::string::npos ? "?name=" : "&name=") + name;
  const auto answer = client.request("DELETE", target);
  if (!answer) return answer.error();
  const auto value = json::parse(*answer);
  if (!value) return value.error();
  return value->as_object().at("revoked").as_array();
}

std::string check_name(const std::string& text) {
  return ShardName::parse_seat(text) ? "" : "takes a shard's name, such as abc, not " + text;
}

}  // namespace

int main(int argc, char** argv) {
  tools::Tool tool(
      "shards", "List, show, revoke or import the shards that the server knows",
      "  smaster shards list\n  smaster shards import knownShards.json --master-key shardMaster.priv");
  bool as_json = false;
  std::string name;
  std::vector<std::string> names;
  Import from;
  tool.app.require_subcommand(1);
  tool.app.fallthrough();
  auto* const list_command = tool.app.add_subcommand("list", "Print the names, one a line");
  auto* const show_command =
      tool.app.add_subcommand("show", "Print one shard's registry row and state as JSON");
  show_command->add_option("NAME", name, "The shard's name")->required();
  auto* const rm_command = tool.app.add_subcommand(
      "rm", "Revoke shards: their programs are told to exit, their connections closed");
  rm_command->add_option("NAME", names, "Their names")
      ->required()
      ->check(CLI::Validator([](std::string& text) { return check_name(text); }, ""));
  auto* const import_command =
      tool.app.add_subcommand("import", "Take over the shards of a knownShards.json, all or none");
  import_command->add_option("FILE", from.known, "The file, or - for stdin")->required();
  tool.app.add_option("--history", from.history, "Import also these statuses, a shardStatsHistory.json")
      ->type_name("FILE");
  tool.app
      .add_option("--master-key", from.key, "Import also this private key of the master, shardMaster.priv")
      ->type_name("FILE");
  tool.app.add_flag("--force", from.force, "Import the key although shards are known that have another")
      ->needs("--master-key");
  tool.app.add_flag("--json", as_json, "Print JSON");
  tool.add_yes_flag();
  tool.add_client_flags(Millis{60'000});

  return tool.run(argc, argv, [&] {
    const auto client = tool.client();
    if (*import_command) {
      if (const auto there = await_server(client, tool.timeout); !there) return tool.report(there.error());
      const auto imported = import(client, from);
      if (!imported) return tool.report(imported.error());
      as_json ? tools::print_json(json::serialize(*imported) + '\n') : tools::print(sentences(*imported));
      return static_cast<int>(tools::kDone);
    }
    if (*rm_command) {
      const auto refused = tool.yes ? std::nullopt : confirm_revoke(tool, names);
      if (refused) return *refused;
      const auto revoked = revoke(client, names);
      if (!revoked) return tool.report(revoked.error());
      if (as_json) tools::print_json(json::serialize(*revoked) + '\n');
      for (const auto& shard : *revoked) {
        if (!as_json) tools::print("revoked " + std::string(shard.as_string()) + '\n');
      }
      return static_cast<int>(tools::kDone);
    }
    const auto stats = tools::fetch(client, "/v1/stats");
    if (!stats) return tool.report(stats.error());
    const auto& shards = stats->at("shards").as_array();
    if (*list_command) {
      if (as_json) tools::print_json(json::serialize(shards) + '\n');
      for (const auto& shard : shards) {
        if (!as_json) tools::print(std::string(shard.as_object().at("id").as_string()) + '\n');
      }
      return static_cast<int>(tools::kDone);
    }
    for (const auto& shard : shards) {
      if (std::string_view(shard.as_object().at("id").as_string()) != name) continue;
      tools::print_json(json::serialize(shard) + '\n');
      return static_cast<int>(tools::kDone);
    }
    return tool.report(fail(ErrorKind::not_found, "no shard is named \"" + name + '"'));
  });
}
