// smaster shard: shows one shard in detail.
#include <chrono>

#include "control/shard_page.hpp"
#include "json/json.hpp"
#include "records/event.hpp"
#include "terminal.hpp"
#include "tool.hpp"

namespace {

using namespace smaster;
constexpr Millis kPast{3'600'000};
constexpr std::size_t kLabels = 26;  ///< columns before a sparkline

}  // namespace

int main(int argc, char** argv) {
  tools::Tool tool("shard", "Show one shard: its state, host, bot, gateway and figures, and what helps it",
                   "  smaster shard 7\n  smaster shard abc --json");
  std::string which;
  bool as_json = false;
  tool.app.add_option("ID", which, "Its shard id, or its name")->required();
  tool.app.add_flag("--json", as_json, "Print its object of \"smaster stats --json\"");
  tool.add_client_flags(Millis{10'000});
  return tool.run(argc, argv, [&] {
    const auto client = tool.client();
    const auto parameter = tools::shard_parameter(which);
    if (!parameter) return tool.report(parameter.error());
    const auto row = tools::fetch(client, "/v1/shard?" + *parameter);
    if (!row) return tool.report(row.error());
    if (as_json) {
      tools::print_json(json::serialize(*row) + '\n');
      return static_cast<int>(tools::kDone);
    }
    const auto now = tools::now_ms();
    const auto columns = tools::look().width;
    control::PastView view{.from_ms = now - kPast.count(), .utf8 = tools::utf8()};
    if (columns > 0) view.width = std::clamp<std::size_t>(columns, kLabels + 10, kLabels + 60) - kLabels;
    std::string name;
    json::read(*row, "id", name);
    tools::print(control::shard_page(*row, tools::fetch_history(client, name, view.from_ms), view, now));
    // Of a server that cannot read them just now, the page stands for itself.
    (void)client.stream("GET", "/v1/events?limit=10&name=" + name, "", [](std::string_view text) {
      const auto event = fleet::parse_event(text);
      if (!event) return true;
      tools::print_line("  event     " + tools::local_time(to_unix_ms(event->at())) + "  " + event->text +
                        (event->by.empty() ? "" : ", asked for by " + event->by));
      return true;
    });
    return static_cast<int>(tools::kDone);
  });
}
