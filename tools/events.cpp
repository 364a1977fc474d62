// smaster events: what happened, and who asked for it.
#include <chrono>
#include <thread>
#include <utility>

#include "base/text.hpp"
#include "json/json.hpp"
#include "records/event.hpp"
#include "terminal.hpp"
#include "tool.hpp"

namespace {

using namespace smaster;

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
  tools::print_styled(tools::local_time(to_unix_ms(event.at())) + "  " + colour + kind +
                      (colour.empty() ? "" : "\x1b[0m"));
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
    std::string base = "/v1/events?";
    if (!shard.empty()) {
      const auto parameter = tools::shard_parameter(shard);
      if (!parameter) return tool.report(parameter.error());
      base += '&' + *parameter;
    }
    for (const auto& kind : kinds) base += "&kind=" + kind;
    if (audit) base += "&audit=1";
    if (follow) base += "&follow=1";
    auto target = base + "&limit=" + std::to_string(lines);
    if (since > Millis{0}) {
      target += "&since=" + std::to_string(tools::now_ms() - since.count());  // not when it asks again
    }
    const bool colours = tools::look().colour;
    std::optional<Error> failure;
    // Whoever follows may hear nothing for days.
    const auto silence = follow ? Millis{365LL * 86'400'000} : tool.timeout;
    std::uint64_t last = 0;
    const auto take = [&](std::string_view text) {
      const auto event = fleet::parse_event(text);
      if (event && event->id > last) {
        last = event->id;
        as_json ? tools::print_json(std::string(text) + '\n') : show(*event, colours);
      }
      if (event) return true;
      const auto value = json::parse(text);
      std::string error;
      if (value && value->is_object()) json::read(value->get_object(), "error", error);
      if (!error.empty()) failure = fail(ErrorKind::unavailable, error);
      return true;
    };
    const control::Client client(tool.socket, silence);
    auto done = client.stream("GET", target, "", take);
    // A server that restarts is waited for; what happened meanwhile follows.
    for (bool said = false;
         follow && !failure && last > 0 && (done || done.error().kind == ErrorKind::unavailable);) {
      if (!std::exchange(said, true)) tools::say("smaster events: the server has gone; waiting for it");
      std::this_thread::sleep_for(std::chrono::seconds(1));
      const auto before = last;
      done = client.stream("GET", base + "&limit=100000&since=" + std::to_string(last / 1'000), "", take);
      if (last != before) said = false;
    }
    if (!done) return tool.report(done.error());
    return failure ? tool.report(*failure) : static_cast<int>(tools::kDone);
  });
}
