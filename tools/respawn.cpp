// smaster respawn: restarts shards one by one.
#include <unistd.h>

#include <boost/json/object.hpp>

#include "json/json.hpp"
#include "terminal.hpp"
#include "tool.hpp"

namespace {

using namespace smaster;
namespace bj = boost::json;

/// One line of the response for people: "shard 3 (abc) is back after 2.1 s".
std::string sentence(const bj::object& line) {
  std::int64_t shard = -1;
  std::int64_t delay = 0;
  std::int64_t after = 0;
  std::string name = "no shard";
  std::string state;
  std::string error;
  json::read(line, "shard", shard);
  json::read(line, "name", name);
  json::read(line, "state", state);
  json::read(line, "delay_ms", delay);
  json::read(line, "after_ms", after);
  json::read(line, "error", error);
  const auto who = "shard " + std::to_string(shard) + " (" + name + ") ";
  using tools::seconds;
  if (state == "sent") return who + (delay == 0 ? "respawns now" : "respawns in " + seconds(delay));
  if (state == "back") {
    bool sure = true;
    json::read(line, "sure", sure);
    return who + (sure ? "is back after " + seconds(after)
                       : "is taken for logged in after " + seconds(after) +
                             ", since its bot does not say when it is READY");
  }
  return who + "failed: " + error;
}

}  // namespace

int main(int argc, char** argv) {
  tools::Tool tool("respawn", "Restart shards one by one",
                   "  smaster respawn --wait\n  smaster respawn --shard 3 --shard 8 --delay 10s");
  tools::AddressFlags to;
  bool wait = false;
  bool as_json = false;
  Millis delay{-1};
  to.add_to(tool.app);
  tool.app.add_flag("--wait", wait, "Wait until each is back, and say so as it happens");
  tools::add_duration(tool.app, "--delay", delay, "Pause between two of them (default: shards.respawn_delay)")
      ->default_str("");
  tool.app.add_flag("--json", as_json, "One JSON object a line");
  tool.add_client_flags(Millis{120'000});

  return tool.run(argc, argv, [&] {
    auto request = to.request();
    request["wait"] = wait;
    request["timeout_ms"] = tool.timeout.count();
    if (delay >= Millis{0}) request["delay_ms"] = delay.count();

    std::int64_t sent = 0;
    std::int64_t missing = 0;
    std::int64_t back = 0;
    std::int64_t late = 0;
    std::int64_t refused = 0;
    // Delays of all shards may lie between two lines. The server itself ends the wait.
    const auto silence = wait ? tool.timeout + Millis{24 * 3'600'000} : tool.timeout;
    tools::Progress bar(wait && !as_json);
    const auto done =
        control::Client(tool.socket, silence)
            .stream("POST", "/v1/respawn", json::serialize(request), [&](std::string_view text) {
              const auto value = json::parse(text);
              if (!value || !value->is_object()) return true;
              std::string state;
              json::read(value->get_object(), "state", state);
              sent += state == "sent" ? 1 : 0;
              missing += state == "missing" ? 1 : 0;
              back += state == "back" ? 1 : 0;
              late += state == "late" ? 1 : 0;
              refused += state == "refused" ? 1 : 0;
              if (as_json) {
                bar.json_line(text);
              } else {
                bar.line(sentence(value->get_object()) +
                         (state == "back" ? " (" + std::to_string(back) + " of " + std::to_string(sent) + ')'
                                          : ""));
              }
              bar.update(back + late + refused, sent);
              return true;
            });
    bar.finish();
    if (!done) return tool.report(done.error());
    if (sent + missing == 0)
      return tool.report(fail(ErrorKind::timed_out, "no such shard has an id yet; try again"));
    if (late > 0) {
      return tool.report(fail(ErrorKind::timed_out, std::to_string(late) + " of " + std::to_string(sent) +
                                                        " shards were not back in time"));
    }
    if (missing > 0) tools::say("smaster respawn: " + std::to_string(missing) + " shards could not be told");
    if (refused > 0)
      tools::say("smaster respawn: " + std::to_string(refused) + " bots are refused by Discord");
    return static_cast<int>(missing + refused > 0 ? tools::kPartly : tools::kDone);
  });
}
