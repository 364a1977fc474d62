// smaster reboot: restarts bots, shards' programs, or the server itself.
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <thread>

#include "json/json.hpp"
#include "tool.hpp"

namespace {

using namespace smaster;
namespace bj = boost::json;

std::string sentence(const bj::object& line) {
  std::int64_t shard = -1;
  std::string name = "no shard";
  std::string error;
  json::read(line, "shard", shard);
  json::read(line, "name", name);
  json::read(line, "error", error);
  const auto who = (shard < 0 ? "shard " : "shard " + std::to_string(shard) + ' ') + '(' + name + ") ";
  return who + (error.empty() ? "is told" : "failed: " + error);
}

/// The start time of the running server.
Result<std::int64_t> started(const tools::Tool& tool) {
  const auto server = tools::fetch(tool.client(), "/v1/server");
  if (!server) return server.error();
  std::int64_t at = 0;
  json::read(*server, "started_ms", at);
  return at;
}

/// Waits until a server with another start time answers.
Result<void> wait_for_restart(const tools::Tool& tool, std::int64_t before) {
  constexpr Millis kPause{50};
  const auto deadline = std::chrono::steady_clock::now() + tool.timeout;
  while (std::chrono::steady_clock::now() < deadline) {
    const auto now = started(tool);
    if (now && *now != before) return {};
    std::this_thread::sleep_for(kPause);
  }
  return fail(ErrorKind::timed_out, "the server has not come back in time; look at its log");
}

/// Asks whether all shards are to reboot, if any is connected. Returns the exit code to end with.
std::optional<int> confirm_all(const tools::Tool& tool, bool hard, bool force) {
  const auto stats = tools::fetch(tool.client(), "/v1/stats");
  if (!stats) return tool.report(stats.error());
  std::int64_t connected = 0;
  json::read(*stats, "current", connected);
  if (connected == 0) return std::nullopt;
  return tool.confirm(
      "This stops " + std::string(hard || force ? "the programs" : "the bots") + " of all " +
      std::to_string(connected) + " connected shards at once" + (hard ? ", and restarts the server" : "") +
      "; they log in again as Discord allows. \"smaster respawn\" restarts one after another.");
}

}  // namespace

int main(int argc, char** argv) {
  tools::Tool tool("reboot", "Restart bots, the shards' own programs, or the server",
                   "  smaster reboot 3 7\n  smaster reboot --master");
  tools::AddressFlags to;
  std::vector<std::string> shards;
  bool all = false;
  bool hard = false;
  bool force = false;
  bool master = false;
  bool as_json = false;
  tool.app.add_option("ID", shards, "The shards: 3, 0-15 or 0-15,20")->check(tools::shard_ids());
  to.add_to(tool.app);
  tool.app.add_flag("--all", all, "All shards that have an id");
  tool.app.add_flag("--force", force, "The shards' programs exit, not only their bots");
  tool.app.add_flag("--hard", hard, "The programs of all shards exit, and the server restarts")
      ->excludes("--all");
  tool.app.add_flag("--master", master, "Only the server restarts, in place")
      ->excludes("--all")
      ->excludes("--hard")
      ->excludes("--force");
  tool.app.add_flag("--json", as_json, "One JSON object a line");
  tool.add_yes_flag();
  tool.add_client_flags(Millis{30'000});

  return tool.run(argc, argv, [&] {
    to.shards.insert(to.shards.end(), shards.begin(), shards.end());
    if (!to.given() && !all && !hard && !master) {
      return tool.report(fail(ErrorKind::usage, "what is to reboot? Shard ids, --all, --hard or --master"));
    }
    if (to.given() && (all || hard || master)) {
      return tool.report(fail(ErrorKind::usage, "chosen shards, or --all, --hard or --master: not both"));
    }
    if ((all || hard) && !tool.yes) {
      if (const auto refused = confirm_all(tool, hard, force)) return *refused;
    }
    const bool restarts = hard || master;
    const auto before = restarts ? started(tool) : Result<std::int64_t>(0);
    if (!before) return tool.report(before.error());
    auto request = to.request();
    request["what"] = master ? "master" : hard ? "all" : force ? "programs" : "bots";
    std::int64_t missing = 0;
    const auto done =
        tool.client().stream("POST", "/v1/reboot", json::serialize(request), [&](std::string_view line) {
          const auto value = json::parse(line);
          if (!value || !value->is_object()) return true;
          missing += value->get_object().contains("error") ? 1 : 0;
          if (as_json) tools::print_json(std::string(line) + '\n');
          if (!as_json) tools::print_line(sentence(value->get_object()));
          return true;
        });
    if (!done) return tool.report(done.error());
    if (restarts) {
      if (auto back = wait_for_restart(tool, *before); !back) return tool.report(back.error());
      if (!as_json) tools::print_line("the server has restarted");
    }
    if (missing > 0) tools::say("smaster reboot: " + std::to_string(missing) + " shards could not be told");
    return static_cast<int>(missing > 0 ? tools::kPartly : tools::kDone);
  });
}
