#include "control/columns.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <span>

#include "base/outlet.hpp"
#include "base/text.hpp"
#include "control/render.hpp"
#include "control/select.hpp"
#include "json/json.hpp"

namespace smaster::control {
namespace {

namespace bj = boost::json;

/// How a value is written for people.
enum class Form { plain, ago, until, ms, share, size };

/// The value of a column that no single field has; null: unknown.
using Value = bj::value (*)(const bj::object& shard);

struct Column {
  std::string_view name;
  Form form;
  std::string_view about;
  Value value = nullptr;  ///< null: the field `key`
  std::string_view key = {};
  ShardGauge::In in = ShardGauge::In::row;
};

using In = ShardGauge::In;

bj::value text_or_null(std::string text) { return text.empty() ? bj::value(nullptr) : bj::value(text); }

bj::value shard_of(const bj::object& shard) {
  if (shard.at("isMaster").as_bool()) return "master";
  const auto ids = ids_of(shard);
  if (ids.empty() || ids.front() < 0) return nullptr;
  return text_or_null(fmt::format("{}", fmt::join(ids, ",")));
}

bj::value cpu_value(const bj::object& shard) {
  const auto cpu = cpu_of(shard);
  return cpu ? bj::value(*cpu) : bj::value(nullptr);
}

/// A bot that does not run has none.
bj::value memory_value(const bj::object& shard) {
  const auto* const memory = status_field(shard, "memRSS");
  return number(memory) > 0 ? *memory : bj::value(nullptr);
}

bj::value login_value(const bj::object& shard) { return text_or_null(login_state(shard)); }

bj::value next_start_value(const bj::object& shard) {
  const auto at = next_start(shard);
  return at > 0 ? bj::value(at) : bj::value(nullptr);
}

/// First those for people, then the fields of the JSON.
constexpr Column kColumns[] = {
    {"shard", Form::plain, "its ids", shard_of},
    {"name", Form::plain, "its name", nullptr, "id"},
    {"state", Form::plain, "as smaster-stats(1) describes them", nullptr, "state"},
    {"host", Form::plain, "the label of its host", nullptr, "host"},
    {"login", Form::plain, "of its bot: waiting, logging in, ready, disconnected or refused", login_value},
    {"seen", Form::ago, "when it was last heard of", nullptr, "lastSeen"},
    {"ping", Form::ms, "round trip to Discord's gateway", nullptr, "ping", In::stats},
    {"cpu", Form::share, "of the bot and its children, of one core", cpu_value},
    {"host_cpu", Form::share, "of its machine, mean over the cores", nullptr, "cpuLoad", In::stats},
    {"memory", Form::size, "resident memory", memory_value},
    {"messages", Form::plain, "since the bot's start", nullptr, "messageCountTotal", In::stats},
    {"deaths", Form::plain, "of the bot, as its agent counts", nullptr, "deaths", In::bot},
    {"last_exit", Form::plain, "how the bot's last process ended", nullptr, "lastExit", In::bot},
    {"next_start", Form::until, "when a bot that died or is parked is started again", next_start_value},
    {"address", Form::plain, "where it connects from", nullptr, "address"},

    {"id", Form::plain, "its name", nullptr, "id"},
    {"is_master", Form::plain, "it is a master shard", nullptr, "isMaster"},
    {"connected", Form::plain, "it is connected", nullptr, "connected"},
    {"goal_shard_id", Form::plain, "the first id that it has", nullptr, "goalShardId"},
    {"goal_shard_count", Form::plain, "of how many", nullptr, "goalShardCount"},
    {"current_shard_id", Form::plain, "the first id that it runs", nullptr, "currentShardId"},
    {"current_shard_count", Form::plain, "of how many", nullptr, "currentShardCount"},
    {"created_time", Form::ago, "when its config was made", nullptr, "createdTime"},
    {"boot_time", Form::ago, "when it was given an id", nullptr, "bootTime"},
    {"stop_time", Form::ago, "when its id was taken", nullptr, "stopTime"},
    {"last_seen", Form::ago, "when it was last heard of", nullptr, "lastSeen"},
    {"last_heartbeat", Form::ago, "its last status", nullptr, "lastHeartbeat"},
    {"start_time", Form::ago, "when the bot was started", nullptr, "startTime", In::stats},
    {"message_count_delta", Form::plain, "messages since the status before", nullptr, "messageCountDelta",
     In::stats},
    {"message_count_total", Form::plain, "since the bot's start", nullptr, "messageCountTotal", In::stats},
    {"mem_heap_used", Form::size, "heap in use", nullptr, "memHeapUsed", In::stats},
    {"mem_heap_total", Form::size, "the heap", nullptr, "memHeapTotal", In::stats},
    {"mem_rss", Form::size, "resident memory", nullptr, "memRSS", In::stats},
    {"mem_external", Form::size, "memory outside of the heap", nullptr, "memExternal", In::stats},
    {"cpu_load", Form::share, "of its machine, mean over the cores", nullptr, "cpuLoad", In::stats},
    {"storage_used_total", Form::size, "storage that its project uses", nullptr, "storageUsedTotal",
     In::stats},
    {"storage_used_users", Form::size, "the users' part of it", nullptr, "storageUsedUsers", In::stats},
    {"bot_state", Form::plain, "of its process: stopped, waiting, running or stopping", nullptr, "state",
     In::bot},
    {"bot_ready", Form::plain, "it has logged in", nullptr, "ready", In::bot},
    {"bot_pid", Form::plain, "its process", nullptr, "pid", In::bot},
    {"bot_cpu", Form::share, "of the bot and its children, of one core", nullptr, "cpu", In::bot},
    {"bot_deaths", Form::plain, "as its agent counts", nullptr, "deaths", In::bot},
    {"bot_crash_loop", Form::plain, "it dies again and again", nullptr, "crashLoop", In::bot},
    {"bot_last_exit", Form::plain, "how its last process ended", nullptr, "lastExit", In::bot},
    {"bot_askable", Form::plain, "it answers evals", nullptr, "askable", In::bot},
    {"duplicate", Form::plain, "its config is used twice", nullptr, "duplicate"},
    {"duplicate_address", Form::plain, "from where, too", nullptr, "duplicateAddress"},
};

/// Columns of the usual table that are left out if no shard has a value: those of agents.
constexpr std::string_view kOptional[] = {"host", "login", "last_exit", "next_start"};
constexpr std::string_view kUsual[] = {"shard",  "name",      "state",      "host",   "login",
                                       "seen",   "ping",      "cpu",        "memory", "messages",
                                       "deaths", "last_exit", "next_start", "address"};
/// On a narrow terminal, the first of these goes first.
constexpr std::string_view kDispensable[] = {"address",   "messages", "login", "next_start", "seen", "deaths",
                                             "last_exit", "name",     "ping",  "cpu",        "host"};

const Column* find(std::string_view name) {
  const auto at = std::find_if(std::begin(kColumns), std::end(kColumns),
                               [name](const Column& column) { return column.name == name; });
  return at == std::end(kColumns) ? nullptr : at;
}

bj::value value_of(const bj::object& shard, const Column& column) {
  if (column.value != nullptr) return column.value(shard);
  const auto* const found = shard_field(shard, column.key, column.in);
  if (found == nullptr) return nullptr;
  return found->is_array() ? bj::value(mean(found)) : *found;
}

/// "in 12 s".
std::string until(double ms, std::int64_t now_ms) {
  const auto seconds = (static_cast<std::int64_t>(ms) - now_ms + 999) / 1'000;
  if (seconds <= 0) return "now";
  return seconds < 120 ? fmt::format("in {} s", seconds) : fmt::format("in {} min", seconds / 60);
}

/// A value for people; "-": unknown.
std::string shown(const bj::value& value, Form form, std::int64_t now_ms) {
  constexpr std::size_t kWidest = 24;  // characters of a text that an agent or bot has written
  if (value.is_bool()) return value.get_bool() ? "yes" : "no";
  if (value.is_string())
    return value.get_string().empty() ? "-" : fit(std::string_view(value.get_string()), kWidest);
  if (form == Form::ago && value.is_number()) return ago(number(&value), now_ms);
  if (!value.is_number() || number(&value) < 0) return "-";
  switch (form) {
    case Form::until:
      return until(number(&value), now_ms);
    case Form::ms:
      return fmt::format("{:.0f} ms", number(&value));
    case Form::share:
      return fmt::format("{:.0f} %", 100 * number(&value));
    case Form::size:
      return bytes(number(&value));
    default:
      return fmt::format("{:.0f}", number(&value));
  }
}

std::string heading(std::string_view name) {
  std::string words(name);
  for (auto& c : words) c = c == '_' ? ' ' : c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return words;
}

bool some_shard_has(const bj::object& stats, const Column& column) {
  const auto& shards = stats.at("shards").as_array();
  return std::any_of(shards.begin(), shards.end(), [&column](const bj::value& shard) {
    return shown(value_of(shard.as_object(), column), column.form, 0) != "-";
  });
}

}  // namespace

std::string csv_cell(const bj::value* value) {
  if (value == nullptr || value->is_null()) return "";
  if (value->is_array()) return json::number(mean(value));
  if (value->is_number() || value->is_bool()) return json::serialize(*value);
  return outlet::csv_cell(value->is_string() ? std::string(value->get_string()) : json::serialize(*value));
}

std::string login_state(const bj::object& shard) {
  const auto* const gateways = bot_field(shard, "gateways");
  if (gateways != nullptr && gateways->is_array() && !gateways->get_array().empty()) {
    const auto& all = gateways->get_array();
    std::size_t ready = 0;
    std::string other;  // the first state that is not ready
    for (const auto& each : all) {
      std::string state;
      std::int64_t code = 0;
      if (!each.is_object()) continue;
      json::read(each.get_object(), "state", state);
      json::read(each.get_object(), "code", code);
      ready += state == "ready" ? 1 : 0;
      if (state == "ready" || !other.empty()) continue;
      other = code > 0 && state != "logging in" ? fmt::format("{} ({})", state, code) : state;
    }
    if (ready == all.size()) return "ready";
    return ready == 0 ? other : fmt::format("{} of {} ready", ready, all.size());
  }
  const auto* const ready = bot_field(shard, "ready");
  if (ready == nullptr || !ready->is_bool()) return {};
  return ready->get_bool() ? "ready" : "not ready";
}

std::int64_t next_start(const bj::object& shard) {
  if (const auto parked = number(shard.if_contains("parkedUntil")); parked > 0) {
    return static_cast<std::int64_t>(parked);
  }
  const auto in = number(bot_field(shard, "nextStartIn"));
  const auto heard = number(shard.if_contains("lastHeartbeat"));
  return in > 0 && heard > 0 ? static_cast<std::int64_t>(heard + in) : 0;
}

Result<Columns> parse_columns(std::string_view text) {
  Columns columns;
  for (const auto part : split(text, ',')) {
    const auto* const column = find(trim(part));
    if (column == nullptr) {
      std::string known;
      for (const auto& each : kColumns) known.append(known.empty() ? "" : ", ").append(each.name);
      return fail(ErrorKind::usage, "--columns: there is no column \"" + std::string(trim(part)) +
                                        "\"; there are: " + known +
                                        "; \"smaster stats --columns help\" explains them");
    }
    columns.push_back(column->name);
  }
  if (columns.empty()) return fail(ErrorKind::usage, "--columns takes names such as name,state,host");
  return columns;
}

std::string columns_help() {
  std::vector<Row> rows{{"COLUMN", "MEANING"}};
  for (const auto& column : kColumns) rows.push_back({std::string(column.name), std::string(column.about)});
  return render({std::move(rows)}, {});
}

Table columns_table(const bj::object& stats, const Columns& columns, std::int64_t now_ms) {
  Table table;
  table.rows.emplace_back();
  std::vector<const Column*> chosen;
  for (const auto name : columns) {
    if (name == "state") table.states = chosen.size();
    chosen.push_back(find(name));
    table.rows.front().push_back(heading(name));
  }
  for (const auto& shard : stats.at("shards").as_array()) {
    auto& row = table.rows.emplace_back();
    for (const auto* const column : chosen) {
      row.push_back(shown(value_of(shard.as_object(), *column), column->form, now_ms));
    }
  }
  return table;
}

Table usual_table(const bj::object& stats, std::int64_t now_ms) {
  Columns columns(std::begin(kUsual), std::end(kUsual));
  std::erase_if(columns, [&stats](std::string_view name) {
    return std::find(std::begin(kOptional), std::end(kOptional), name) != std::end(kOptional) &&
           !some_shard_has(stats, *find(name));
  });
  auto table = columns_table(stats, columns, now_ms);
  for (const auto name : kDispensable) {
    const auto at = std::find(columns.begin(), columns.end(), name);
    if (at != columns.end()) table.dispensable.push_back(static_cast<std::size_t>(at - columns.begin()));
  }
  return table;
}

const Columns& csv_columns() {
  static const Columns columns{"id",
                               "state",
                               "is_master",
                               "connected",
                               "address",
                               "goal_shard_id",
                               "goal_shard_count",
                               "current_shard_id",
                               "current_shard_count",
                               "created_time",
                               "boot_time",
                               "stop_time",
                               "last_seen",
                               "last_heartbeat",
                               "start_time",
                               "message_count_delta",
                               "message_count_total",
                               "mem_heap_used",
                               "mem_heap_total",
                               "mem_rss",
                               "mem_external",
                               "cpu_load",
                               "ping",
                               "storage_used_total",
                               "storage_used_users",
                               "bot_state",
                               "bot_ready",
                               "bot_pid",
                               "bot_cpu",
                               "bot_deaths",
                               "bot_crash_loop",
                               "bot_last_exit",
                               "bot_askable",
                               "duplicate",
                               "duplicate_address",
                               "host",
                               "login",
                               "next_start"};
  return columns;
}

std::string columns_csv(const bj::object& stats, const Columns& columns) {
  std::string out;
  for (const auto name : columns) out.append(out.empty() ? "" : ",").append(name);
  out += "\r\n";
  std::vector<const Column*> chosen;
  for (const auto name : columns) chosen.push_back(find(name));
  for (const auto& shard : stats.at("shards").as_array()) {
    bool first = true;
    for (const auto* const column : chosen) {
      const auto value = value_of(shard.as_object(), *column);
      out.append(std::exchange(first, false) ? "" : ",").append(csv_cell(&value));
    }
    out += "\r\n";
  }
  return out;
}

}  // namespace smaster::control
