// smaster file: files of the project directory, on this host and at the shards.
#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/url/encode.hpp>
#include <boost/url/rfc/unreserved_chars.hpp>

#include "json/json.hpp"
#include "terminal.hpp"
#include "tool.hpp"

namespace {

using namespace smaster;
namespace bj = boost::json;

std::string target(const std::string& name) {
  return "/v1/file?name=" + boost::urls::encode(name, boost::urls::unreserved_chars);
}

/// Writes the file's content to stdout.
Result<void> get(const control::Client& client, const std::string& name) {
  return client.download(target(name), [](std::string_view bytes) { tools::print(bytes); });
}

/// Prints the result for one shard. Returns the number of failures.
std::int64_t print_outcome(std::string_view line, bool as_json, tools::Progress& bar) {
  const auto value = json::parse(line);
  if (!value || !value->is_object()) return 0;
  const auto& object = value->get_object();
  std::int64_t shard = -1;
  std::string name = "no shard";
  std::string error;
  json::read(object, "shard", shard);
  json::read(object, "name", name);
  json::read(object, "error", error);
  if (as_json) bar.json_line(line);
  if (!as_json) {
    bar.line("shard " + std::to_string(shard) + " (" + name + ") " +
             (error.empty() ? "has done it" : "failed: " + error));
  }
  return error.empty() ? 0 : 1;
}

/// The expected number of shards, as far as it is known.
std::int64_t addressed(const control::Client& client, const tools::AddressFlags& to) {
  if (to.given()) return static_cast<std::int64_t>(tools::parse_ids(to.shards).size());
  const auto stats = tools::fetch(client, "/v1/stats");
  std::int64_t current = 0;
  if (stats) json::read(*stats, "current", current);
  return current;
}

}  // namespace

int main(int argc, char** argv) {
  tools::Tool tool(
      "file", "Get and put files of the project directory, and exchange them with shards",
      "  smaster file put config/words.json words.json\n  smaster file push config/words.json --shard 0-3");
  std::string name;
  std::string from = "-";
  bool as_json = false;
  tools::AddressFlags to;
  tool.app.require_subcommand(1);
  tool.app.fallthrough();
  auto* const get_command = tool.app.add_subcommand("get", "Print a file of the server's project directory");
  auto* const put_command = tool.app.add_subcommand("put", "Write a file there");
  auto* const rm_command = tool.app.add_subcommand("rm", "Remove a file there");
  auto* const push_command = tool.app.add_subcommand("push", "Send a file from there to shards");
  auto* const fetch_command = tool.app.add_subcommand("fetch", "Have shards send a file to there");
  for (auto* const command : {get_command, put_command, rm_command, push_command, fetch_command}) {
    command->add_option("NAME", name, "The file, relative to the project directory")->required();
  }
  put_command->add_option("FILE", from, "The content; - for stdin (the default)");
  to.add_to(tool.app);
  tool.app.add_flag("--json", as_json, "One JSON object a line for each shard");
  tool.add_client_flags(Millis{300'000});

  return tool.run(argc, argv, [&] {
    const auto client = tool.client();
    if (*push_command || *fetch_command) {
      auto request = to.request();
      request["name"] = name;
      std::int64_t failed = 0;
      std::int64_t all = 0;
      tools::Progress bar(!as_json);
      const auto expected = bar.drawn() ? addressed(client, to) : 0;
      const auto done = client.stream("POST", *push_command ? "/v1/file/push" : "/v1/file/fetch",
                                      json::serialize(request), [&](std::string_view line) {
                                        ++all;
                                        failed += print_outcome(line, as_json, bar);
                                        bar.update(all, std::max(all, expected));
                                        return true;
                                      });
      bar.finish();
      if (!done) return tool.report(done.error());
      if (all == 0) tools::say("smaster file: no shard was chosen");
      return static_cast<int>(failed > 0 || all == 0 ? tools::kPartly : tools::kDone);
    }
    Result<void> done;
    if (*get_command) done = get(client, name);
    if (*put_command) {
      const auto sent = tools::send_file(client, "PUT", target(name), from);
      if (!sent) done = sent.error();
    }
    if (*rm_command) {
      const auto removed = client.request("DELETE", target(name));
      if (!removed) done = removed.error();
    }
    if (done) return static_cast<int>(tools::kDone);
    const auto& error = done.error();
    return tool.report(error.kind == ErrorKind::not_found ? fail(ErrorKind::bad_data, error.message) : error);
  });
}
