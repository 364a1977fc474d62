#include "fleet/bot_report.hpp"

#include "json/json.hpp"

namespace smaster::fleet {
namespace {

constexpr std::size_t kMaxText = 200;

void read_short(const boost::json::object& from, std::string_view key, std::string& out) {
  json::read(from, key, out);
  if (out.size() > kMaxText) out.resize(kMaxText);
}

}  // namespace

void read(const boost::json::object& from, BotReport& report) {
  read_short(from, "agent", report.agent);
  read_short(from, "state", report.state);
  read_short(from, "lastExit", report.last_exit);
  if (const auto* const ready = from.if_contains("ready"); ready != nullptr) {
    report.ready = ready->is_bool() ? std::optional(ready->get_bool()) : std::nullopt;
  }
  json::read(from, "pid", report.pid);
  json::read(from, "deaths", report.deaths);
  json::read(from, "crashLoop", report.crash_loop);
  json::read(from, "nextStartIn", report.next_start_in);
}

boost::json::object to_json(const BotReport& report) {
  return {{"agent", report.agent},
          {"state", report.state},
          {"ready", report.ready ? boost::json::value(*report.ready) : boost::json::value(nullptr)},
          {"pid", report.pid},
          {"deaths", report.deaths},
          {"crashLoop", report.crash_loop},
          {"lastExit", report.last_exit},
          {"nextStartIn", report.next_start_in}};
}

}  // namespace smaster::fleet
