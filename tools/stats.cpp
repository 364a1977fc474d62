// smaster stats: shows the fleet's figures; all formats use the same data.
#include <unistd.h>

#include <boost/json/object.hpp>
#include <chrono>
#include <csignal>
#include <iostream>
#include <thread>

#include "control/columns.hpp"
#include "control/render.hpp"
#include "control/select.hpp"
#include "control/shard_filter.hpp"
#include "json/json.hpp"
#include "terminal.hpp"
#include "tool.hpp"
#include "watch.hpp"

namespace {

using namespace smaster;
namespace bj = boost::json;

enum class Format { table, json, ndjson, csv, prometheus };

std::string render_stats(const bj::object& stats, Format format, const control::Columns& columns) {
  switch (format) {
    case Format::table:
      return control::stats_as_table(stats, tools::now_ms(), tools::look(), columns);
    case Format::json:
      return json::serialize(stats) + '\n';
    case Format::ndjson:
      return control::stats_as_ndjson(stats);
    case Format::csv:
      return control::columns_csv(stats, columns.empty() ? control::csv_columns() : columns);
    case Format::prometheus:
      return control::stats_as_prometheus(stats);
  }
  return {};
}

/// Prints the history of each shard in `stats`. Requested shard by shard: a large fleet has gigabytes of JSON
/// per day.
Result<void> print_history(const control::Client& client, const bj::object& stats, Millis since,
                           Format format) {
  const auto from = std::to_string(tools::now_ms() - since.count());
  bj::object table;
  bool first = true;
  for (const auto& shard : stats.at("shards").as_array()) {
    const std::string name(shard.as_object().at("id").as_string());
    auto text = client.request("GET", "/v1/history?since=" + from + "&id=" + name);
    if (!text) return text.error();
    if (format == Format::json) {
      tools::print_json((first ? "{" : ",") + text->substr(1, text->size() - 2));
    } else {
      auto history = json::parse(*text);
      if (!history) return history.error();
      auto& object = history->as_object();
      if (format == Format::ndjson) tools::print_json(control::history_as_ndjson(object));
      if (format == Format::csv) tools::print(control::history_as_csv(object, first));
      if (format == Format::table) table[name] = std::move(object.at(name));
    }
    first = false;
  }
  if (format == Format::json) tools::print_json(first ? "{}\n" : "}\n");
  if (format == Format::csv && first) tools::print(control::history_as_csv({}, true));
  if (format == Format::table) tools::page(control::history_as_table(table, tools::look()));
  return {};
}

std::vector<std::string> words(std::span<const std::string_view> views) {
  return {views.begin(), views.end()};
}

volatile std::sig_atomic_t interrupted = 0;

/// Sleeps for `pause`, or until interrupted.
void pause_for(Millis pause) {
  const auto until = std::chrono::steady_clock::now() + pause;
  while (interrupted == 0 && std::chrono::steady_clock::now() < until) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

}  // namespace

int main(int argc, char** argv) {
  tools::Tool tool("stats", "Show the fleet in figures",
                   "  smaster stats --watch\n  smaster stats --sort memory --state running");
  std::vector<std::string> shards;
  bool history = false;
  Millis since{24 * 3'600'000};
  double watch = 0;
  Format format = Format::table;
  tools::add_shard_flag(tool.app, shards);
  std::vector<std::string> states;
  std::optional<std::string> host;
  std::optional<std::string> where;
  std::string columns_text;
  std::string sort = "shard";
  bool reverse = false;
  tool.app.add_option("--state", states, "Only shards in this state, such as silent")
      ->type_name("STATE")
      ->take_all()
      ->expected(1)
      ->allow_extra_args(false)
      ->check(CLI::IsMember(words(control::shard_states())));
  tool.app.add_option("--host", host, "Only shards on this host, by its agents' label")->type_name("LABEL");
  tool.app.add_option("--where", where, "Only shards of which this is true, as stats.ping>200")
      ->type_name("CONDITION");
  auto* const columns_option =
      tool.app.add_option("--columns", columns_text, "As name,state,host: table or CSV; help lists all")
          ->type_name("LIST");
  auto* const sort_option =
      tool.app
          .add_option("--sort", sort,
                      "shard, name, state, seen, ping, cpu, memory, messages, deaths or trouble")
          ->type_name("KEY")
          ->check(CLI::IsMember(words(control::sort_keys())))
          ->capture_default_str();
  tool.app.add_flag("--reverse", reverse, "The other way round");
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
  for (const auto* const flag : {"--json", "--ndjson", "--prometheus", "--history"}) {
    columns_option->excludes(tool.app.get_option(flag));
  }
  auto* const watch_option =
      tool.app.add_option("--watch", watch, "Again and again, every 2 seconds or as many as given")
          ->type_name("[SECONDS]")
          ->expected(0, 1)
          ->default_str("2")
          ->check(CLI::Range(0.1, 86'400.0));
  tool.add_client_flags(Millis{10'000});

  return tool.run(argc, argv, [&] {
    if (columns_text == "help") {
      tools::print_styled(control::columns_help());
      return static_cast<int>(tools::kDone);
    }
    control::Columns columns;
    if (columns_option->count() > 0) {
      auto parsed = control::parse_columns(columns_text);
      if (!parsed) return tool.report(parsed.error());
      columns = std::move(*parsed);
    }
    std::vector<control::Condition> conditions;
    if (where) {
      auto parsed = control::parse_where(*where);
      if (!parsed) return tool.report(fail(ErrorKind::usage, "--where " + parsed.error().message));
      conditions = std::move(*parsed);
    }
    const auto client = tool.client();
    const auto listed = tools::parse_ids(shards);
    const std::set<std::int64_t> ids(listed.begin(), listed.end());

    const auto fetch = [&]() -> Result<bj::object> {
      auto stats = tools::fetch(client, "/v1/stats");
      if (!stats) return stats;
      if (host) {
        if (const auto kept = control::keep_host(*stats, *host); !kept) return kept.error();
      }
      if (const auto kept = control::keep_where(*stats, conditions); !kept) return kept.error();
      if (!shards.empty()) control::keep_shards(*stats, ids);
      if (history && !shards.empty() && stats->at("shards").as_array().empty()) {
        return fail(ErrorKind::not_found, "no shard has that id");
      }
      if (!states.empty()) control::keep_states(*stats, {states.begin(), states.end()});
      control::sort_shards(*stats, sort, reverse);
      return stats;
    };
    const auto show = [&]() -> Result<void> {
      const auto stats = fetch();
      if (!stats) return stats.error();
      if (history) return print_history(client, *stats, since, format);
      const auto text = render_stats(*stats, format, columns);
      const bool is_json = format == Format::json || format == Format::ndjson;
      if (format == Format::table) watch_option->count() == 0 ? tools::page(text) : tools::print_styled(text);
      if (format != Format::table) is_json ? tools::print_json(text) : tools::print(text);
      return {};
    };

    const bool again = watch_option->count() > 0;
    if (watch == 0) watch = 2;
    const Millis pause{static_cast<std::int64_t>(watch * 1000)};
    if (again && format == Format::table && columns.empty() && !history && ::isatty(STDOUT_FILENO) == 1) {
      const auto first = sort_option->count() > 0 ? sort : "trouble";
      const auto watched = tools::watch(client, fetch, {tool.socket, pause, first, reverse});
      return watched ? static_cast<int>(tools::kDone) : tool.report(watched.error());
    }
    if (again) {
      std::signal(SIGINT, [](int) { interrupted = 1; });
      std::signal(SIGTERM, [](int) { interrupted = 1; });
    }
    do {
      const auto shown = show();
      if (!shown) return tool.report(shown.error());
      if (again) pause_for(pause);
    } while (again && interrupted == 0);
    return static_cast<int>(tools::kDone);
  });
}
