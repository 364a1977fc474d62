// smaster events: what happened, and who asked for it.
#include <chrono>
#include <ctime>

#include "base/text.hpp"
#include "json/json.hpp"
#include "records/event.hpp"
#include "terminal.hpp"
#include "tool.hpp"

namespace {

using namespace smaster;

/// "2026-11-28 21:25:21", in the local time zone.
std::string local_time(Time at) {
  const std::time_t seconds = to_unix_ms(at) / 1000;
  std::tm parts{};
  ::localtime_r(&seconds, &parts);
  char text[32];
  return {text, std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &parts)};
}

std::string colour_of(fleet::Severity severity) {
  return severity == fleet::Severity::error  ? "\x1b[31m"
         : severity == fleet::Severity::warn ? "\x1b[33m"
                                             : "";
}

/// A line for people. The text is that of the log.
void show(const fleet::Event& event, bool colours) {
  const auto& about = fleet::traits(event.kind);
  constexpr std::size_t kKindWidth = 13;
  auto kind = std::string(about.word);
  kind.resize(std::max(kind.size(), kKindWidth), ' ');
  const auto colour = colours ? colour_of(about.severity) : "";
  tools::print_styled(local_time(event.at()) + "  " + colour + kind + (colour.empty() ? "" : "\x1b[0m"));
  tools::print_line(event.text + (event.by.empty() ? "" : ", asked for by " + event.by));
  for (const auto line : split(event.details, '\n')) {
    if (!line.empty()) tools::print_line("    " + std::string(line));
  }
}

}  // namespace

int main(int argc, char** argv) {
  tools::Tool tool("events", "Show what happened, and who asked for it",
                   "  smaster events --shard 7 --since 1h\n  smaster events --audit --follow");
  std::string shard;
  std::vector<std::string> kinds;
  Millis since{0};
  std::size_t lines = 200;
  bool audit = false;
  bool follow = false;
  bool as_json = false;
  tool.app.add_option("--shard", shard, "Only about the shard with this id or name")->type_name("ID");
  tool.app.add_option("--kind", kinds, "Only of this kind, such as died; may be repeated")
      ->type_name("KIND")
      ->take_all()
      ->expected(1)
      ->allow_extra_args(false)
      ->check([](const std::string& kind) {
        if (fleet::parse_event_kind(kind)) return std::string();
        std::string known;
        for (const auto& each : fleet::all_event_kinds())
          known += (known.empty() ? "" : ",") + std::string(each.word);
        return "no event is called \"" + kind + "\", but {" + known + '}';
      });
  tool.app.add_flag("--audit", audit, "Only what somebody asked for, and who");
  (void)tools::add_duration(tool.app, "--since", since, "Only as old as that (default: all that is kept)")
      ->default_str("");
  tool.app.add_option("--lines", lines, "The newest ones, at most this many")
      ->type_name("N")
      ->check(CLI::Range(0, 100'000))
      ->capture_default_str();
  tool.app.add_flag("--follow", follow, "Go on with what happens from now on");
  tool.app.add_flag("--json", as_json, "One JSON object a line");
  tool.add_client_flags(Millis{30'000});
  return tool.run(argc, argv, [&] {
    std::string target = "/v1/events?limit=" + std::to_string(lines);
    if (!shard.empty()) {
      const bool is_id = shard.find_first_not_of("0123456789") == std::string::npos;
      if (!is_id && !ShardName::parse_seat(shard)) {
        return tool.report(
            fail(ErrorKind::usage, "\"" + shard + "\" is no shard id, such as 7, and no name, such as abc"));
      }
      target += (is_id ? "&id=" : "&name=") + shard;
    }
    for (const auto& kind : kinds) target += "&kind=" + kind;
    if (audit) target += "&audit=1";
    if (follow) target += "&follow=1";
    if (since > Millis{0}) {
      const auto now = std::chrono::floor<Millis>(std::chrono::system_clock::now());
      target += "&since=" + std::to_string(to_unix_ms(now - since));
    }
    const bool colours = tools::look().colour;
    std::optional<Error> failure;
    // Whoever follows may hear nothing for days.
    const auto silence = follow ? Millis{365LL * 86'400'000} : tool.timeout;
    const auto done =
        control::Client(tool.socket, silence).stream("GET", target, "", [&](std::string_view text) {
          if (const auto event = fleet::parse_event(text)) {
            as_json ? tools::print_json(std::string(text) + '\n') : show(*event, colours);
            return true;
          }
          const auto value = json::parse(text);
          std::string error;
          if (value && value->is_object()) json::read(value->get_object(), "error", error);
          if (!error.empty()) failure = fail(ErrorKind::unavailable, error);
          return true;
        });
    if (!done) return tool.report(done.error());
    return failure ? tool.report(*failure) : static_cast<int>(tools::kDone);
  });
}
