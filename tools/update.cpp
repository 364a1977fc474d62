// smaster update: updates the bot's files on this host and at every shard.
#include <boost/json/object.hpp>

#include "json/json.hpp"
#include "tool.hpp"

int main(int argc, char** argv) {
  using namespace smaster;
  tools::Tool tool("update",
                   "Update the bot: run the update command here, then have every shard update itself",
                   "  smaster update\n  smaster update --json | jq -c 'select(.shard)'");
  bool as_json = false;
  tool.app.add_flag("--json", as_json, "One JSON object a line");
  tool.add_client_flags(Millis{600'000});

  return tool.run(argc, argv, [&] {
    const boost::json::object request{{"timeout_ms", tool.timeout.count()}};
    std::string failure;
    std::int64_t wrong = 0;
    std::int64_t shards = 0;
    // The server ends a late update itself; this additional time detects a server that does not respond.
    constexpr Millis kGrace{10'000};
    const auto done =
        control::Client(tool.socket, tool.timeout + kGrace)
            .stream("POST", "/v1/update", json::serialize(request), [&](std::string_view line) {
              if (as_json) tools::print_json(std::string(line) + '\n');
              const auto value = json::parse(line);
              if (!value || !value->is_object()) return true;
              const auto& object = value->get_object();
              if (const auto* const here = json::object_at(object, "here"))
                json::read(*here, "error", failure);
              std::string text;
              std::string output;
              json::read(object, "line", text);
              json::read(object, "output", output);
              if (!output.empty() && !as_json) {
                if (output == "out") tools::print_line(text);
                if (output == "err") tools::say(text);
              }
              if (!object.contains("shard")) return true;
              ++shards;
              const auto* const error = object.if_contains("error");
              wrong += error != nullptr ? 1 : 0;
              if (as_json) return true;
              const auto& outcome = error != nullptr ? *error : object.at("result");
              tools::print_line("shard " + json::serialize(object.at("shard")) +
                                (error != nullptr ? " failed: " : ": ") + json::serialize(outcome));
              return true;
            });
    if (!done) return tool.report(done.error());
    if (!failure.empty()) {
      tools::say("smaster update: " + failure + "; the shards are not updated");
      return static_cast<int>(tools::kPartly);
    }
    if (wrong > 0) {
      tools::say("smaster update: " + std::to_string(wrong) + " of " + std::to_string(shards) +
                 " shards have failed");
    }
    return static_cast<int>(wrong > 0 ? tools::kPartly : tools::kDone);
  });
}
