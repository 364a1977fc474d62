#include "control/render.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <cmath>
#include <ctime>
#include <vector>

#include "base/outlet.hpp"
#include "base/text.hpp"
#include "control/alert_lines.hpp"
#include "control/select.hpp"
#include "json/json.hpp"

namespace smaster::control {
namespace {

namespace bj = boost::json;

using In = ShardGauge::In;

/// Of a shard's history.
constexpr std::string_view kSampleColumns =
    "id timestamp startTime goalShardId currentShardId goalShardCount currentShardCount timeDelta "
    "messageCountDelta messageCountTotal memHeapUsed memHeapTotal memRSS memExternal cpuLoad ping "
    "storageUsedTotal storageUsedUsers";

/// A number as text; "-" if unknown (−1 or missing).
std::string known(const bj::value* value, fmt::format_string<double> form) {
  return value == nullptr || number(value) < 0 ? "-" : fmt::format(form, number(value));
}

const bj::array& shards_of(const bj::object& stats) { return stats.at("shards").as_array(); }

void metric(std::string& out, std::string_view name, std::string_view type, std::string_view help) {
  out += fmt::format("# HELP smaster_{} {}\n# TYPE smaster_{} {}\n", name, help, name, type);
}

constexpr ShardGauge kShardGauges[] = {
    {Figure::shard_id, "shard_id", "goalShardId", "Shard id that the shard has; -1 for none.", In::row, 1},
    {Figure::connected, "shard_connected", "connected", "Whether the shard is connected.", In::row, 1},
    {Figure::last_seen, "shard_last_seen_timestamp_seconds", "lastSeen", "When the shard was last heard of.",
     In::row, 1e-3},
    {Figure::messages, "shard_messages_total", "messageCountTotal",
     "Messages the bot has seen since it started.", In::stats, 1},
    {Figure::heap_used, "shard_heap_used_bytes", "memHeapUsed", "Heap in use.", In::stats, 1},
    {Figure::resident, "shard_resident_memory_bytes", "memRSS", "Resident memory.", In::stats, 1},
    {Figure::cpu_load, "shard_cpu_load_ratio", "cpuLoad", "CPU load, mean over the cores, 0 to 1.", In::stats,
     1},
    {Figure::ping, "shard_ping_seconds", "ping", "Round trip to Discord's gateway.", In::stats, 1e-3},
    {Figure::storage_used, "shard_storage_used_bytes", "storageUsedTotal", "Storage the bot's project uses.",
     In::stats, 1},
    {Figure::bot_cpu, "shard_bot_cpu_cores", "cpu", "CPU time of the bot and its children per time.", In::bot,
     1},
    {Figure::bot_deaths, "shard_bot_deaths_total", "deaths",
     "Times that the bot died by itself, as its agent counts.", In::bot, 1},
    {Figure::bot_crash_loop, "shard_bot_crash_loop", "crashLoop", "Whether the bot dies again and again.",
     In::bot, 1},
    {Figure::bot_askable, "shard_bot_askable", "askable", "Whether the bot can be asked, as by evals.",
     In::bot, 1},
    {Figure::duplicate, "shard_duplicate", "duplicate",
     "Whether another shard with the same config connects, too.", In::row, 1},
    {Figure::status, "shard_status_timestamp_seconds", "lastHeartbeat",
     "When the last status came that is a sign of life.", In::row, 1e-3},
    {Figure::parked_until, "shard_parked_until_timestamp_seconds", "parkedUntil",
     "When a parked bot is started again; missing for others.", In::row, 1e-3},
    {Figure::state, "shard_state", "state", "1 for the state that the shard is in.", In::row, 1},
};

struct Total {
  std::string_view name;
  std::string_view key;
  std::string_view help;
};

constexpr Total kTotals[] = {
    {"shards_goal", "goal", "Shards that there should be; -1 while unknown."},
    {"shards_current", "current", "Shards that are connected."},
    {"shards_known", "known", "Shards that have a config."},
    {"shards_registered", "registered", "Shards that have ever connected."},
    {"shards_configured", "configured", "Shards that run the id they should."},
    {"clients", "clients", "Connections with a session."},
};

/// Discord's limits, and the logins that wait for them; `identify`: null if the limits are unknown.
void add_logins(std::string& out, const bj::object* identify) {
  const auto gauge = [&](std::string_view name, std::string_view key, std::string_view help) {
    metric(out, name, "gauge", help);
    const auto* const value = identify == nullptr ? nullptr : identify->if_contains(key);
    if (value != nullptr && value->is_number()) out += fmt::format("smaster_{} {}\n", name, number(value));
  };
  gauge("logins_waiting", "waiting", "Logins that wait for their turn.");
  gauge("logins_remaining", "remaining", "Logins that Discord permits until its day ends.");
  gauge("logins_reserved", "reserve", "Those of them that are kept for the operator.");
  gauge("logins_concurrency", "max_concurrency", "Logins that Discord permits at a time.");
}

template <class Keep>
void each_sample(const bj::object& history, Keep keep) {
  for (const auto& [name, samples] : history) {
    for (const auto& sample : samples.as_array()) keep(std::string_view(name), sample.as_object());
  }
}

}  // namespace

std::string local_time(std::int64_t ms) {
  const auto seconds = static_cast<std::time_t>(ms / 1000);
  std::tm local{};
  ::localtime_r(&seconds, &local);
  char text[32];
  return {text, std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &local)};
}

std::string csv(const std::vector<std::vector<std::string>>& rows) {
  std::string out;
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) out += (i > 0 ? "," : "") + outlet::csv_cell(row[i]);
    out += "\r\n";
  }
  return out;
}

std::string ago(double ms, std::int64_t now_ms) {
  if (ms <= 0) return "never";
  const auto seconds = std::max<std::int64_t>(0, (now_ms - static_cast<std::int64_t>(ms)) / 1000);
  if (seconds < 120) return fmt::format("{} s ago", seconds);
  if (seconds < 7200) return fmt::format("{} min ago", seconds / 60);
  if (seconds < 172'800) return fmt::format("{} h ago", seconds / 3600);
  return fmt::format("{} d ago", seconds / 86'400);
}

std::string bytes(double value) {
  const char* const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  std::size_t unit = 0;
  while (std::abs(value) >= 1024 && unit + 1 < std::size(units)) {
    value /= 1024;
    ++unit;
  }
  return unit == 0 ? fmt::format("{:.0f} {}", value, units[unit])
                   : fmt::format("{:.1f} {}", value, units[unit]);
}

Table shard_table(const bj::object& stats, std::int64_t now_ms) {
  auto table = columns_table(
      stats, {"shard", "name", "state", "seen", "ping", "cpu", "memory", "messages", "deaths", "address"},
      now_ms);
  table.dispensable = {9, 8, 7, 3, 1, 4, 5};
  return table;
}

std::vector<std::string> shard_troubles(const bj::object& shard) {
  std::vector<std::string> troubles;
  std::string host, address;
  bool duplicate = false;
  bool refused = false;
  json::read(shard, "duplicate", duplicate);
  json::read(shard, "duplicateHost", host);
  json::read(shard, "duplicateAddress", address);
  json::read(shard, "duplicateRefused", refused);
  if (duplicate && refused) {
    troubles.push_back(fmt::format("its config is used by {} ({}), too, which is refused",
                                   host.empty() ? "a program that is no agent" : "an agent on " + host,
                                   address));
  } else if (duplicate) {
    troubles.push_back(
        fmt::format("its config seems to be used twice, also from {}: its id may run twice", address));
  }
  if (const auto* const holds = shard.if_contains("holds")) {
    troubles.push_back(
        fmt::format("was told to stop and has not said that it has: while it is connected, ids {} are kept "
                    "back, so that they do not run twice",
                    json::serialize(*holds)));
  }
  const auto* const askable = bot_field(shard, "askable");
  if (askable != nullptr && askable->is_bool() && !askable->get_bool()) {
    troubles.emplace_back("its bot has closed its channel and cannot be asked");
  }
  return troubles;
}

std::string trouble_lines(const bj::object& stats) {
  constexpr std::size_t kMost = 10;
  std::string lines;
  std::size_t count = 0;
  for (const auto& value : shards_of(stats)) {
    const auto& shard = value.as_object();
    for (const auto& trouble : shard_troubles(shard)) {
      if (++count > kMost) continue;
      const auto id = number(shard.if_contains("goalShardId"));
      lines += fmt::format("shard {} ({}): {}\n", std::string_view(shard.at("id").as_string()),
                           id < 0 ? "no id" : fmt::format("id {}", fmt::join(ids_of(shard), ",")), trouble);
    }
  }
  if (count > kMost) lines += fmt::format("and {} more\n", count - kMost);
  return lines;
}

std::string stats_as_table(const bj::object& stats, std::int64_t now_ms, const Look& look,
                           const Columns& columns) {
  std::string text;
  for (const auto& sentence : server_troubles(stats)) text += sentence + '\n';
  const auto waiting = identify_line(stats);
  const auto drained = outlet::terminal(drained_line(stats));
  text += totals_line(stats) + '\n' + alert_lines(stats, now_ms) + drained + (drained.empty() ? "" : "\n") +
          waiting + (waiting.empty() ? "" : "\n") + trouble_lines(stats) + '\n';
  return text +
         render(columns.empty() ? usual_table(stats, now_ms) : columns_table(stats, columns, now_ms), look);
}

std::string stats_as_ndjson(const bj::object& stats) {
  std::string out;
  for (const auto& shard : shards_of(stats)) out += json::serialize(shard) + '\n';
  return out;
}

std::span<const ShardGauge> shard_gauges() { return kShardGauges; }

const bj::value* shard_field(const bj::object& shard, std::string_view key, ShardGauge::In in) {
  return in == In::row     ? shard.if_contains(key)
         : in == In::stats ? status_field(shard, key)
                           : bot_field(shard, key);
}

std::string totals_as_prometheus(const bj::object& counts) {
  std::string out;
  for (const auto& total : kTotals) {
    metric(out, total.name, "gauge", total.help);
    out += fmt::format("smaster_{} {}\n", total.name, number(counts.if_contains(total.key)));
  }
  if (const auto* const states = counts.if_contains("states"); states != nullptr && states->is_object()) {
    metric(out, "shards", "gauge",
           "Shards by their state, as smaster stats shows it; the master's left out.");
    for (const auto& [state, count] : states->get_object()) {
      out += fmt::format("smaster_shards{{state=\"{}\"}} {}\n", outlet::metrics_label(state), number(&count));
    }
  }
  add_logins(out, json::object_at(counts, "identify"));
  metric(out, "uptime_seconds", "gauge", "Time since the server started.");
  return out + fmt::format("smaster_uptime_seconds {}\n", number(counts.if_contains("uptime_ms")) / 1000);
}

std::string gauge_head(const ShardGauge& gauge) {
  std::string out;
  metric(out, gauge.name, gauge.name.ends_with("_total") ? "counter" : "gauge", gauge.help);
  return out;
}

void append_gauge(std::string& out, const ShardGauge& gauge, std::string_view shard, double value) {
  fmt::format_to(std::back_inserter(out), "smaster_{}{{name=\"{}\"}} {}\n", gauge.name,
                 outlet::metrics_label(shard), value * gauge.scale);
}

void append_state(std::string& out, const ShardGauge& gauge, std::string_view shard, std::string_view state) {
  fmt::format_to(std::back_inserter(out), "smaster_{}{{name=\"{}\",state=\"{}\"}} 1\n", gauge.name,
                 outlet::metrics_label(shard), outlet::metrics_label(state));
}

std::string stats_as_prometheus(const bj::object& stats) {
  auto out = totals_as_prometheus(stats);
  for (const auto& gauge : kShardGauges) {
    out += gauge_head(gauge);
    for (const auto& value : shards_of(stats)) {
      const auto& shard = value.as_object();
      const auto* found = shard_field(shard, gauge.key, gauge.in);
      if (found == nullptr || found->is_null()) continue;
      if (gauge.figure == Figure::state) {
        append_state(out, gauge, shard.at("id").as_string(), found->as_string());
        continue;
      }
      if (gauge.figure == Figure::status && number(found) <= 0) continue;            // never
      if (gauge.in != In::row && found->is_number() && number(found) < 0) continue;  // unknown
      const double plain = found->is_bool()    ? (found->get_bool() ? 1 : 0)
                           : found->is_array() ? mean(found)
                                               : number(found);
      append_gauge(out, gauge, shard.at("id").as_string(), plain);
    }
  }
  return out;
}

std::string history_as_table(const bj::object& history, const Look& look) {
  Table table{{{"TIME", "NAME", "SHARD", "PING", "CPU", "MEMORY", "MESSAGES"}}, {1, 6}};
  each_sample(history, [&](std::string_view name, const bj::object& sample) {
    const auto of = [&](std::string_view key) { return number(sample.if_contains(key)); };
    table.rows.push_back({local_time(static_cast<std::int64_t>(of("timestamp"))), std::string(name),
                          fmt::format("{}", of("currentShardId")),
                          known(sample.if_contains("ping"), "{:.0f} ms"),
                          fmt::format("{:.0f} %", 100 * mean(sample.if_contains("cpuLoad"))),
                          bytes(of("memRSS")), known(sample.if_contains("messageCountTotal"), "{:.0f}")});
  });
  return render(std::move(table), look);
}

std::string history_as_ndjson(const bj::object& history) {
  std::string out;
  each_sample(history,
              [&](std::string_view, const bj::object& sample) { out += json::serialize(sample) + '\n'; });
  return out;
}

std::string history_as_csv(const bj::object& history, bool header) {
  const auto columns = split(kSampleColumns, ' ');
  std::string out;
  if (header) {
    for (const auto column : columns) out.append(out.empty() ? "" : ",").append(column);
    out += "\r\n";
  }
  each_sample(history, [&](std::string_view, const bj::object& sample) {
    std::string line;
    for (const auto& column : columns) {
      if (&column != columns.data()) line += ',';
      line += csv_cell(sample.if_contains(column));
    }
    out += line + "\r\n";
  });
  return out;
}

}  // namespace smaster::control
