// smaster join-token: makes the line with which a new host joins; lists and revokes tokens.
#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "base/text.hpp"
#include "control/table.hpp"
#include "json/json.hpp"
#include "net/address.hpp"
#include "net/http_client.hpp"
#include "terminal.hpp"
#include "tool.hpp"
#include "wire/join/join_messages.hpp"

namespace {

using namespace smaster;
namespace bj = boost::json;

std::vector<std::string> texts(const bj::object& object, const char* key) {
  std::vector<std::string> list;
  if (const auto* const array = object.if_contains(key); array != nullptr && array->is_array()) {
    for (const auto& each : array->get_array()) {
      if (each.is_string()) list.emplace_back(each.get_string());
    }
  }
  return list;
}

control::Row row_of(const bj::object& token) {
  std::string id, state, host, by;
  std::int64_t until = 0, uses = 0, processes = 1, per_process = 1;
  json::read(token, "id", id);
  json::read(token, "state", state);
  json::read(token, "host", host);
  json::read(token, "by", by);
  json::read(token, "until", until);
  json::read(token, "uses", uses);
  json::read(token, "processes", processes);
  json::read(token, "shards_per_process", per_process);
  std::string shards;
  const auto used = texts(token, "shards");
  for (const auto& each : used) shards += (shards.empty() ? "" : ", ") + each;
  return {id,
          state,
          tools::local_time(until),
          std::to_string(used.size()) + " of " + std::to_string(uses),
          host.empty() ? "-" : host,
          std::to_string(processes) + " x " + std::to_string(per_process),
          shards.empty() ? "-" : shards,
          by};
}

int list_tokens(const tools::Tool& tool, bool as_json) {
  const auto answer = tools::fetch(tool.client(), "/v1/join-tokens");
  if (!answer) return tool.report(answer.error());
  if (as_json) {
    tools::print_json(json::serialize(*answer) + '\n');
    return tools::kDone;
  }
  control::Table table{{{"TOKEN", "STATE", "UNTIL", "USED", "HOST", "PROCESSES", "SHARDS", "BY"}}, {7, 5}};
  if (const auto* const tokens = answer->if_contains("tokens"); tokens && tokens->is_array()) {
    for (const auto& each : tokens->get_array()) {
      if (each.is_object()) table.rows.push_back(row_of(each.get_object()));
    }
  }
  if (table.rows.size() == 1) {
    tools::say("there are no join tokens");
  } else {
    tools::print_styled(control::render(std::move(table), tools::look()));
  }
  return tools::kDone;
}

/// Says what to do with the line, and what may keep other hosts from using it.
void explain(const bj::object& made) {
  std::int64_t until = 0, uses = 0;
  json::read(made, "until", until);
  json::read(made, "uses", uses);
  tools::say("valid until " + tools::local_time(until) + ", for " +
             (uses == 1 ? "one host" : std::to_string(uses) + " hosts") +
             "; on the new host: smaster join LINE -- COMMAND (with --systemd as a service)");
  for (const auto& url : texts(made, "urls")) {
    const auto parsed = net::parse_http_url(url);
    if (!parsed || !net::is_loopback(parsed->endpoint.host)) continue;
    tools::say(
        "only this machine can reach " + url +
        ": for other hosts set [remote_host] host (or [cluster] masters) in smaster.toml, and [server] "
        "address");
  }
}

}  // namespace

int main(int argc, char** argv) {
  tools::Tool tool("join-token", "Print a line with which a new host can join the fleet",
                   "  smaster join-token --host fra1\n"
                   "  smaster join-token --host fra1 --processes 2 --shards-per-process 8");
  std::string host, revoke;
  std::int64_t processes = 1, per_process = 1, uses = 1;
  Millis valid{3'600'000};
  bool list = false, as_json = false;
  tool.app.add_option("--host", host, "What the server calls the new host")
      ->type_name("LABEL")
      ->check([](const std::string& label) {
        return std::string(tools::is_label(label) ? "" : tools::kLabelRule);
      });
  tool.app.add_option("--processes", processes, "Bot processes on the new host")
      ->type_name("N")
      ->check(CLI::Range(std::int64_t{1}, wire::kMostProcesses))
      ->capture_default_str();
  tool.app.add_option("--shards-per-process", per_process, "Shard ids that one process takes at most")
      ->type_name("N")
      ->check(CLI::Range(std::int64_t{1}, wire::kMostShardsPerProcess))
      ->capture_default_str();
  (void)tools::add_duration(tool.app, "--valid", valid, "How long the line can be used, at most 7d");
  tool.app.add_option("--uses", uses, "How many hosts may join with it, at most 100")
      ->type_name("N")
      ->check(CLI::Range(1, 100))
      ->capture_default_str();
  auto* const lists = tool.app.add_flag("--list", list, "Print the tokens, make none");
  auto* const revokes =
      tool.app.add_option("--revoke", revoke, "Revoke the token with this id; hosts that have joined stay")
          ->type_name("ID")
          ->excludes(lists);
  for (const char* const flag : {"--host", "--processes", "--shards-per-process", "--valid", "--uses"}) {
    tool.app.get_option(flag)->excludes(lists)->excludes(revokes);
  }
  tool.app.add_flag("--json", as_json, "Print the server's answer as JSON");
  tool.add_client_flags(Millis{15'000});

  return tool.run(argc, argv, [&] {
    if (list) return list_tokens(tool, as_json);
    if (revokes->count() > 0) {
      const bool is_id = !revoke.empty() && std::all_of(revoke.begin(), revoke.end(), [](unsigned char c) {
        return std::isalnum(c) != 0 || c == '-' || c == '_';
      });
      if (!is_id) return tool.report(fail(ErrorKind::usage, "\"" + revoke + "\" is no id of a join token"));
      const auto answer = tool.client().request("DELETE", "/v1/join-tokens?id=" + revoke, "");
      if (!answer) return tool.report(answer.error());
      as_json ? tools::print_json(*answer + '\n') : tools::print_line("revoked " + revoke);
      return static_cast<int>(tools::kDone);
    }
    const bj::object request{{"host", host},
                             {"processes", processes},
                             {"shards_per_process", per_process},
                             {"uses", uses},
                             {"valid_ms", valid.count()}};
    const auto answer = tool.client().request("POST", "/v1/join-tokens", json::serialize(request));
    if (!answer) return tool.report(answer.error());
    const auto made = json::parse(*answer);
    std::string line;
    if (made && made->is_object()) json::read(made->get_object(), "line", line);
    if (line.empty()) return tool.report(fail(ErrorKind::internal, "the server's answer has no line"));
    as_json ? tools::print_json(*answer + '\n') : tools::print_line(line);
    explain(made->get_object());
    return static_cast<int>(tools::kDone);
  });
}
