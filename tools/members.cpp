// smaster members: lists the servers that share a store, and their leader.
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <ctime>

#include "control/table.hpp"
#include "json/json.hpp"
#include "terminal.hpp"
#include "tool.hpp"

namespace {

using namespace smaster;

std::string local_time(Time time) {
  const std::time_t seconds = to_unix_ms(time) / 1000;
  std::tm parts{};
  ::localtime_r(&seconds, &parts);
  char text[32];
  return {text, std::strftime(text, sizeof text, "%F %T", &parts)};
}

control::Row row_of(const boost::json::object& member) {
  std::string name, url, version, state;
  Time since{};
  std::int64_t lag = -1;
  bool own = false;
  json::read(member, "name", name);
  json::read(member, "url", url);
  json::read(member, "version", version);
  json::read(member, "state", state);
  json::read(member, "leadsSince", since);
  json::read(member, "lag_ms", lag);
  json::read(member, "this", own);
  return {name + (own ? " (this)" : ""),
          state,
          since > Time{} ? local_time(since) : "-",
          lag < 0 ? "-" : std::to_string(lag) + " ms",
          version,
          url};
}

}  // namespace

int main(int argc, char** argv) {
  tools::Tool tool("members", "Show the servers that share the store, and which of them leads",
                   "  smaster members\n  smaster members --json | jq -r .leader");
  bool as_json = false;
  tool.app.add_flag("--json", as_json, "Print JSON: {leader, members}");
  tool.add_client_flags(Millis{15'000});

  return tool.run(argc, argv, [&] {
    const auto answer = tools::fetch(tool.client(), "/v1/members");
    if (!answer) return tool.report(answer.error());
    if (as_json) {
      tools::print_json(json::serialize(*answer) + '\n');
      return static_cast<int>(tools::kDone);
    }
    control::Table table{{{"MEMBER", "STATE", "LEADS SINCE", "LAG", "VERSION", "URL"}}, {4, 2, 3}, 1};
    if (const auto* const members = answer->if_contains("members"); members && members->is_array()) {
      for (const auto& member : members->get_array()) {
        if (member.is_object()) table.rows.push_back(row_of(member.get_object()));
      }
    }
    tools::print_styled(control::render(std::move(table), tools::look()));
    return static_cast<int>(tools::kDone);
  });
}
