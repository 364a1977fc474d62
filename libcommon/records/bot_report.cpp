#include "records/bot_report.hpp"

#include <algorithm>
#include <boost/json/array.hpp>

#include "base/outlet.hpp"
#include "json/json.hpp"

namespace smaster::fleet {
namespace {

constexpr std::size_t kMaxText = 200;
constexpr double kMostCores = 65'536;
/// Maximum number of gateway reports per process.
constexpr std::size_t kMaxGateways = 1024;
/// Maximum number of a bot's last lines, and of their bytes.
constexpr std::size_t kMaxLines = 20;
constexpr std::size_t kMaxLineBytes = 2'048;

void read_short(const boost::json::object& from, std::string_view key, std::string& out) {
  json::read(from, key, out);
  out.resize(outlet::cut(out, kMaxText).size());
}

GatewayReport read_gateway(const boost::json::object& from) {
  GatewayReport report;
  json::read(from, "id", report.id);
  read_short(from, "state", report.state);
  json::read(from, "code", report.code);
  json::read(from, "ping", report.ping);
  json::read(from, "acksMissed", report.acks_missed);
  json::read(from, "events", report.events);
  json::read(from, "lastEvent", report.last_event);
  json::read(from, "guilds", report.guilds);
  json::read(from, "logins", report.logins);
  json::read(from, "resumes", report.resumes);
  json::read(from, "loopDelay", report.loop_delay);
  json::read(from, "heard", report.heard);
  return report;
}

boost::json::object to_json(const GatewayReport& report) {
  return {{"id", report.id.value},
          {"state", report.state},
          {"code", report.code},
          {"ping", report.ping},
          {"acksMissed", report.acks_missed},
          {"events", report.events},
          {"lastEvent", report.last_event},
          {"guilds", report.guilds},
          {"logins", report.logins},
          {"resumes", report.resumes},
          {"loopDelay", report.loop_delay},
          {"heard", report.heard}};
}

std::vector<std::string> read_lines(const boost::json::array& from) {
  std::vector<std::string> lines;
  auto room = kMaxLineBytes;
  for (const auto& line : from) {
    if (lines.size() == kMaxLines) break;
    if (!line.is_string()) continue;
    const std::string_view text = line.get_string();
    lines.emplace_back(outlet::cut(text, room));
    room -= lines.back().size();
  }
  return lines;
}

void read_if_known(const boost::json::object& from, std::string_view key, std::optional<bool>& out) {
  const auto* const value = from.if_contains(key);
  if (value != nullptr) out = value->is_bool() ? std::optional(value->get_bool()) : std::nullopt;
}

boost::json::value if_known(const std::optional<bool>& value) {
  return value ? boost::json::value(*value) : boost::json::value(nullptr);
}

}  // namespace

void read(const boost::json::object& from, BotReport& report) {
  read_short(from, "agent", report.agent);
  read_short(from, "state", report.state);
  read_short(from, "lastExit", report.last_exit);
  read_short(from, "hooks", report.hooks);
  json::read(from, "asks", report.asks);
  read_if_known(from, "ready", report.ready);
  read_if_known(from, "askable", report.askable);
  json::read(from, "pid", report.pid);
  json::read(from, "cpu", report.cpu);
  if (!(report.cpu >= 0 && report.cpu <= kMostCores)) report.cpu = -1;
  json::read(from, "deaths", report.deaths);
  json::read(from, "crashLoop", report.crash_loop);
  json::read(from, "nextStartIn", report.next_start_in);
  if (const auto* const lines = from.if_contains("lastLines"); lines != nullptr && lines->is_array()) {
    report.last_lines = read_lines(lines->get_array());
  }
  if (const auto* const list = from.if_contains("gateways"); list != nullptr && list->is_array()) {
    report.gateways.clear();
    for (const auto& element : list->get_array()) {
      if (report.gateways.size() == kMaxGateways) break;
      if (element.is_object()) report.gateways.push_back(read_gateway(element.get_object()));
    }
  }
}

boost::json::object to_json(const BotReport& report) {
  boost::json::array gateways;
  for (const auto& gateway : report.gateways) gateways.push_back(to_json(gateway));
  return {{"agent", report.agent},
          {"state", report.state},
          {"ready", if_known(report.ready)},
          {"askable", if_known(report.askable)},
          {"asks", report.asks},
          {"hooks", report.hooks},
          {"gateways", std::move(gateways)},
          {"pid", report.pid},
          {"cpu", report.cpu},
          {"deaths", report.deaths},
          {"crashLoop", report.crash_loop},
          {"lastExit", report.last_exit},
          {"lastLines", boost::json::array(report.last_lines.begin(), report.last_lines.end())},
          {"nextStartIn", report.next_start_in}};
}

}  // namespace smaster::fleet
