// smaster stats: the fleet in figures, in every format from the same numbers.
#include <unistd.h>

#include <boost/json/object.hpp>
#include <chrono>
#include <csignal>
#include <iostream>
#include <thread>

#include "control/render.hpp"
#include "json/json.hpp"
#include "tool.hpp"

namespace {

using namespace smaster;
namespace bj = boost::json;

enum class Format { table, json, ndjson, csv, prometheus };

std::int64_t now_ms() {
  return std::chrono::duration_cast<Millis>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::string render_stats(const bj::object& stats, Format format) {
  switch (format) {
    case Format::table:
      return control::stats_as_table(stats, now_ms());
    case Format::json:
      return json::serialize(stats) + '\n';
    case Format::ndjson:
      return control::stats_as_ndjson(stats);
    case Format::csv:
      return control::stats_as_csv(stats);
    case Format::prometheus:
      return control::stats_as_prometheus(stats);
  }
  return {};
}

std::string render_history(const bj::object& history, Format format) {
  switch (format) {
    case Format::json:
      return json::serialize(history) + '\n';
    case Format::ndjson:
      return control::history_as_ndjson(history);
    case Format::csv:
      return control::history_as_csv(history);
    case Format::table:
    case Format::prometheus:
      break;
  }
  return control::history_as_table(history);
}

volatile std::sig_atomic_t interrupted = 0;

/// Sleeps for `seconds` or until interrupted.
void pause_for(double seconds) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  while (interrupted == 0 && std::chrono::steady_clock::now() < until) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

}  // namespace

int main(int argc, char** argv) {
  tools::Tool tool("stats", "Show the fleet in figures",
                   "  smaster stats --watch\n  smaster stats --json | jq .configured");
  std::vector<std::string> shards;
  bool history = false;
  Millis since{24 * 3'600'000};
  double watch = 0;
  Format format = Format::table;
  tools::add_shard_flag(tool.app, shards);
  auto* const history_flag =
      tool.app.add_flag("--history", history, "The statuses of the past instead of the present");
  tools::add_duration(tool.app, "--since", since, "How far back the history goes")->needs(history_flag);
  std::vector<CLI::Option*> formats;
  for (const auto& [flag, value, help] : std::initializer_list<std::tuple<const char*, Format, const char*>>{
           {"--json", Format::json, "One JSON object"},
           {"--ndjson", Format::ndjson, "One JSON object a line, one line a shard"},
           {"--csv", Format::csv, "CSV with a header"},
           {"--prometheus", Format::prometheus, "Prometheus text format"}}) {
    auto* const option = tool.app.add_flag_callback(
        flag, [&format, chosen = value] { format = chosen; }, help);
    for (auto* const other : formats) option->excludes(other);
    formats.push_back(option);
  }
  formats.back()->excludes(history_flag);
  auto* const watch_option =
      tool.app.add_option("--watch", watch, "Again and again, every 2 seconds or as many as given")
          ->type_name("[SECONDS]")
          ->expected(0, 1)
          ->default_str("2")
          ->check(CLI::Range(0.1, 86'400.0));
  tool.add_client_flags(Millis{10'000});

  return tool.run(argc, argv, [&] {
    const auto client = tool.client();
    const auto listed = tools::parse_ids(shards);
    const std::set<std::int64_t> ids(listed.begin(), listed.end());

    const auto show = [&]() -> Result<std::string> {
      auto stats = tools::fetch(client, "/v1/stats");
      if (!stats) return stats.error();
      if (!shards.empty()) control::keep_shards(*stats, ids);
      if (!history) return render_stats(*stats, format);
      std::string target = "/v1/history?since=" + std::to_string(now_ms() - since.count());
      if (!shards.empty()) {
        if (stats->at("shards").as_array().empty()) return fail(ErrorKind::not_found, "no shard has that id");
        for (const auto& shard : stats->at("shards").as_array()) {
          target.append("&id=").append(shard.as_object().at("id").as_string());
        }
      }
      const auto samples = tools::fetch(client, target);
      if (!samples) return samples.error();
      return render_history(*samples, format);
    };

    const bool again = watch_option->count() > 0;
    const bool screen = again && ::isatty(STDOUT_FILENO) == 1;
    if (watch == 0) watch = 2;
    if (again) {
      std::signal(SIGINT, [](int) { interrupted = 1; });
      std::signal(SIGTERM, [](int) { interrupted = 1; });
    }
    do {
      const auto text = show();
      if (!text) return tool.report(text.error());
      // Home and clear, so that the view stands still on a terminal; plain blocks elsewhere.
      tools::print(screen ? "\x1b[H\x1b[2J" + *text : *text);
      if (again) pause_for(watch);
    } while (again && interrupted == 0);
    return static_cast<int>(tools::kDone);
  });
}
