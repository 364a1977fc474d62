#include "control/shard_page.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "base/outlet.hpp"
#include "control/columns.hpp"
#include "control/render.hpp"
#include "control/select.hpp"
#include "control/sparkline.hpp"
#include "json/json.hpp"

namespace smaster::control {
namespace {

namespace bj = boost::json;

/// "5,6 of 16", of the goal or of what runs; `none` without an id.
std::string assignment(const bj::object& row, const std::string& which, const std::string& none) {
  const auto ids = ids_of(row, which);
  if (ids.empty() || ids.front() < 0) return none;
  return fmt::format("{} of {}", fmt::join(ids, ","), number(row.if_contains(which + "ShardCount")));
}

std::string place(const bj::object& row) {
  const std::string host(text(row.if_contains("host")));
  const std::string address(text(row.if_contains("address")));
  const auto agent = bot_field(row, "agent");
  bool drained = false;
  json::read(row, "drained", drained);
  std::string words = host.empty() ? "" : host + (drained ? " (drained), " : ", ");
  words += address.empty() ? "not connected" : address;
  if (agent != nullptr && agent->is_string())
    words += fmt::format(", agent {}", std::string_view(agent->get_string()));
  return words;
}

std::string bot(const bj::object& row, std::int64_t now_ms) {
  const auto of = [&row](std::string_view key) { return bot_field(row, key); };
  const auto* const state = of("state");
  if (state == nullptr || !state->is_string()) return "no agent reports about it";
  std::string words(state->get_string());
  if (number(of("pid")) > 0) words += fmt::format(", process {}", number(of("pid")));
  if (const auto started = number(status_field(row, "startTime"));
      words.starts_with("running") && started > 0) {
    words += ", started " + ago(started, now_ms);
  }
  if (words.starts_with("waiting"))
    words += fmt::format(", starts in {:.0f} s",
                         std::max(0.0, static_cast<double>(next_start(row) - now_ms)) / 1000);
  if (const auto deaths = number(of("deaths")); deaths > 0) words += fmt::format("; died {} times", deaths);
  const auto* const exit = of("lastExit");
  if (exit != nullptr && exit->is_string() && !exit->get_string().empty()) {
    words += fmt::format(", last exit: {}", std::string_view(exit->get_string()));
  }
  return words;
}

std::string gateway(const bj::object& report) {
  const auto of = [&report](std::string_view key) { return number(report.if_contains(key)); };
  auto words = fmt::format("shard id {}: {}", of("id"), text(report.if_contains("state")));
  if (of("code") > 0) words += fmt::format(", closed with code {}", of("code"));
  if (of("ping") >= 0) words += fmt::format(", heartbeat {} ms", of("ping"));
  if (of("acksMissed") > 0) words += fmt::format(" ({} not acknowledged)", of("acksMissed"));
  if (of("guilds") >= 0) words += fmt::format(", {} guilds", of("guilds"));
  if (of("lastEvent") >= 0) words += fmt::format(", last event {:.0f} s ago", of("lastEvent") / 1000);
  return words + fmt::format(", {} logins, {} resumes", of("logins"), of("resumes"));
}

/// A figure now and over the last hour.
std::string drawn(const std::vector<Sample>& samples, double Sample::*which, const PastView& view,
                  std::int64_t now_ms, const std::string& now) {
  std::vector<Point> points;
  for (const auto& sample : samples) points.push_back({sample.time, sample.*which});
  const Range range{static_cast<double>(view.from_ms), static_cast<double>(now_ms)};
  return fmt::format("{:<12} {}", now, sparkline(points, range, view.width, view.utf8));
}

/// The commands that help a shard in this state; `which` selects it.
std::vector<std::string> advice(const bj::object& row, const std::string& which) {
  const std::string state(text(row.if_contains("state")));
  const std::string host(text(row.if_contains("host")));
  bool left = false;
  json::read(row, "left", left);
  if (left)
    return {
        "its agent was stopped, and nothing runs; start it again: smaster agent --config FILE -- COMMAND"};
  const auto respawn = "smaster respawn " + which;
  if (state == "new") return {"start its agent with its config: smaster agent --config FILE -- COMMAND"};
  if (state == "dead" || state == "offline") {
    return {"look at its host; there, smaster agent --check --config FILE says what is wrong"};
  }
  if (state == "silent") return {respawn, "smaster reboot --force " + which + " ends its program, too"};
  if (state == "refused") return {"mend what Discord refuses (the token, the intents), then " + respawn};
  if (state == "crashing" || state == "parked") {
    return {"smaster logs " + which + " shows its output", "mend what ends the bot, then " + respawn};
  }
  if (state == "queued" || state == "logging in" || state == "starting") {
    return {"smaster stats shows the queue of logins"};
  }
  if (state == "drained") return {"smaster undrain " + host + " lets it have an id again"};
  if (state == "spare") return {"it takes an id as soon as one is free; smaster reshard N makes more"};
  if (state == "running") return {"smaster eval " + which + " SCRIPT", respawn};
  return {respawn + " does now what happens by itself after a while"};  // disconnected, deaf, hung
}

}  // namespace

std::string shard_page(const bj::object& row, const bj::array& past, const PastView& view,
                       std::int64_t now_ms) {
  const std::string state(text(row.if_contains("state")));
  const std::string name(text(row.if_contains("id")));
  const auto id = number(row.if_contains("goalShardId"));
  const auto now = [&row](std::string_view key) { return status_field(row, key); };
  std::string page =
      fmt::format("shard {} ({}): {}\n",
                  id < 0 ? "without an id" : fmt::format("{}", fmt::join(ids_of(row), ",")), name, state);
  const auto line = [&page](std::string_view label, const std::string& value) {
    page += fmt::format("  {:<10} {}\n", label, outlet::terminal(value));  // one line, whatever a shard says
  };
  line("goal", assignment(row, "goal", "none"));
  line("runs", assignment(row, "current", "nothing"));
  line("at", place(row));
  line("seen", ago(number(row.if_contains("lastSeen")), now_ms));
  if (now("timestamp") != nullptr && (state == "offline" || state == "dead" || state == "silent")) {
    line("report", "its last one, " + ago(number(row.if_contains("lastHeartbeat")), now_ms) +
                       ": what follows was so then");
  }
  line("bot", bot(row, now_ms));
  if (const auto* const last = bot_field(row, "lastLines"); last != nullptr && last->is_array()) {
    std::string_view label = "output";  // before it died
    for (const auto& each : last->get_array()) {
      if (each.is_string()) line(std::exchange(label, ""), std::string(each.get_string()));
    }
  }
  if (const auto* const hooks = bot_field(row, "hooks");
      hooks != nullptr && hooks->is_string() && !hooks->get_string().empty()) {
    line("hooks", std::string(hooks->get_string()));
  }
  if (const auto* const gateways = bot_field(row, "gateways"); gateways != nullptr && gateways->is_array()) {
    for (const auto& each : gateways->get_array()) line("gateway", gateway(each.as_object()));
  }
  if (const auto until = number(row.if_contains("parkedUntil")); until > 0) {
    line("parked", fmt::format("for another {:.0f} s", (until - static_cast<double>(now_ms)) / 1000));
  }
  if (now("timestamp") != nullptr) {
    std::vector<Sample> samples;
    for (const auto& status : past) samples.push_back(sample_of(status.as_object()));
    const auto figure = [&](std::string_view label, double Sample::*which, const std::string& value) {
      line(label, drawn(samples, which, view, now_ms, value));
    };
    if (bot_field(row, "cpu") != nullptr) {
      const auto cpu = cpu_of(row);
      line("CPU", (cpu ? fmt::format("{:.0f} % of a core", 100 * *cpu) : std::string("-")));
      figure("host CPU", &Sample::cpu, fmt::format("{:.0f} %", 100 * mean(now("cpuLoad"))));
    } else {
      figure("CPU", &Sample::cpu, fmt::format("{:.0f} %", 100 * mean(now("cpuLoad"))));
    }
    figure("memory", &Sample::memory, bytes(number(now("memRSS"))));
    const auto ping = number(now("ping"));
    figure("ping", &Sample::ping, ping < 0 ? "-" : fmt::format("{:.0f} ms", ping));
    const auto messages = number(now("messageCountTotal"));
    figure("messages", &Sample::messages, messages < 0 ? "-" : fmt::format("{:.0f}", messages));
  }
  if (const auto trouble = trouble_lines({{"shards", bj::array{row}}}); !trouble.empty()) page += trouble;
  const auto which =
      id < 0 ? "--where 'name=" + name + "'" : fmt::format("--shard {}", static_cast<std::int64_t>(id));
  for (const auto& words : advice(row, which)) line("try", words);
  return page;
}

}  // namespace smaster::control
