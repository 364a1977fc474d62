// smaster silence: silences alerts for a while, and lists alerts and silences.
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "base/text.hpp"
#include "json/json.hpp"
#include "tool.hpp"

namespace {

using namespace smaster;
namespace bj = boost::json;

/// "host fra1", "shard 7" or "all".
std::string about_what(const bj::object& silence) {
  std::string host;
  std::int64_t shard = -1;
  json::read(silence, "host", host);
  json::read(silence, "shard", shard);
  return shard >= 0 ? "shard " + std::to_string(shard) : host.empty() ? "all alerts" : "host " + host;
}

void print_list(const bj::object& answer) {
  const auto each = [&answer](const char* key, const auto& show) {
    const auto* const list = answer.if_contains(key);
    if (list == nullptr || !list->is_array()) return;
    for (const auto& element : list->get_array()) {
      if (element.is_object()) show(element.get_object());
    }
  };
  bool any = false;
  each("alerts", [&any](const bj::object& alert) {
    std::string text;
    std::int64_t since = 0;
    bool silenced = false;
    json::read(alert, "text", text);
    json::read(alert, "since", since);
    json::read(alert, "silenced", silenced);
    tools::print_line("alert    since " + tools::local_time(since) + (silenced ? " (silenced)  " : "  ") +
                      text);
    any = true;
  });
  each("silences", [&any](const bj::object& silence) {
    std::string by;
    std::string why;
    std::int64_t until = 0;
    json::read(silence, "by", by);
    json::read(silence, "why", why);
    json::read(silence, "until", until);
    tools::print_line("silence  until " + tools::local_time(until) + "  " + about_what(silence) + ", by " +
                      by + (why.empty() ? "" : ": " + why));
    any = true;
  });
  std::string trouble;
  json::read(answer, "trouble", trouble);
  if (!trouble.empty()) tools::print_line("the last message was not taken: " + trouble);
  if (!any) tools::print_line("nothing is wrong, and nothing is silenced");
}

}  // namespace

int main(int argc, char** argv) {
  tools::Tool tool("silence", "Silence alerts for a while, and list what is wrong",
                   "  smaster silence --host fra1 --for 2h --why \"new disk\"\n  smaster silence --list");
  std::string host;
  std::int64_t shard = -1;
  Millis length{3'600'000};
  std::string why;
  bool list = false;
  bool end = false;
  bool as_json = false;
  auto* const by_host =
      tool.app.add_option("--host", host, "Alerts about the host with this label")->type_name("LABEL");
  tool.app.add_option("--shard", shard, "Alerts about the shard with this id alone")
      ->type_name("ID")
      ->check(CLI::Range(0, 1'000'000))
      ->excludes(by_host);
  (void)tools::add_duration(tool.app, "--for", length, "How long");
  tool.app.add_option("--why", why, "Said beside it")->type_name("TEXT");
  auto* const lists = tool.app.add_flag("--list", list, "Print alerts and silences, change nothing");
  tool.app.add_flag("--end", end, "End the silence")->excludes(lists);
  tool.app.add_flag("--json", as_json, "Print the server's answer as JSON");
  tool.add_yes_flag();
  tool.add_client_flags(Millis{10'000});
  return tool.run(argc, argv, [&] {
    const auto client = tool.client();
    if (list) {
      const auto answer = tools::fetch(client, "/v1/alerts");
      if (!answer) return tool.report(answer.error());
      as_json ? tools::print_json(json::serialize(*answer) + '\n') : print_list(*answer);
      return static_cast<int>(tools::kDone);
    }
    if (!end && length <= Millis{0})
      return tool.report(fail(ErrorKind::usage, "--for is more than 0, such as 2h"));
    // Nor is an unset shell variable one: it must not silence all alerts.
    if (by_host->count() > 0 && !tools::is_label(host)) {
      return tool.report(fail(ErrorKind::usage, "no host is called \"" + host + "\": " + tools::kLabelRule));
    }
    if (!end && host.empty() && shard < 0 && !tool.yes) {
      const auto refused = tool.confirm("This silences all alerts for " + format_duration(length) +
                                        "; --host and --shard silence some, --list shows what is wrong.");
      if (refused) return *refused;
    }
    bj::object request;
    if (!host.empty()) request["host"] = host;
    if (shard >= 0) request["shard"] = shard;
    if (!end) request["for_ms"] = length.count();
    if (!why.empty()) request["why"] = why;
    const auto answer = client.request(end ? "DELETE" : "POST", "/v1/silence", json::serialize(request));
    if (!answer) return tool.report(answer.error());
    if (as_json) {
      tools::print_json(*answer + '\n');
    } else {
      tools::print_line(about_what(request) +
                        (end ? ": no longer silenced" : ": silenced for " + format_duration(length)));
    }
    return static_cast<int>(tools::kDone);
  });
}
