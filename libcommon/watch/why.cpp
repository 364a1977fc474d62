#include "watch/why.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <string_view>

#include "base/outlet.hpp"
#include "control/columns.hpp"
#include "control/render.hpp"
#include "control/select.hpp"
#include "json/json.hpp"
#include "records/gateway_watch.hpp"

namespace smaster::watch {
namespace {

namespace bj = boost::json;
using control::bot_field;
using control::number;
using control::text;

constexpr std::size_t kLongestLine = 300;  ///< bytes of a bot's output

/// "exit 1: Error: no token". Of the bot's last lines the one that names an error: others say where it was.
std::string last_end(const bj::object& shard) {
  std::string words(text(bot_field(shard, "lastExit")));
  const auto* const lines = bot_field(shard, "lastLines");
  if (lines == nullptr || !lines->is_array()) return words;
  std::string_view told;
  bool error = false;
  for (const auto& each : lines->get_array()) {
    const auto line = text(&each);
    const bool is_error = line.find("rror") != line.npos;
    if (!line.empty() && (is_error || !error)) told = line;
    error = error || is_error;
  }
  if (!told.empty()) words.append(words.empty() ? "" : ": ").append(outlet::cut(told, kLongestLine));
  return words;
}

/// Of the id whose connection to Discord explains the state best.
std::string gateway(const bj::object& shard, std::string_view state) {
  const auto* const reports = bot_field(shard, "gateways");
  if (reports == nullptr || !reports->is_array()) return {};
  const auto of = [](const bj::object& report, std::string_view key) {
    return number(report.if_contains(key));
  };
  const auto age = state == "hung" ? "heard" : "lastEvent";
  const bj::object* worst = nullptr;
  for (const auto& each : reports->get_array()) {
    if (!each.is_object()) continue;
    const auto& report = each.get_object();
    if (state == "hung" || state == "deaf") {
      if (worst == nullptr || of(report, age) > of(*worst, age)) worst = &report;
    } else if (worst == nullptr && text(report.if_contains("state")) != "ready") {
      worst = &report;
    }
  }
  if (worst == nullptr) return {};
  if (state == "hung")
    return fmt::format("its event loop is blocked: no figures for {:.0f} s", of(*worst, age) / 1000);
  if (state == "deaf")
    return fmt::format("connected, but no event of Discord for {:.0f} s", of(*worst, age) / 1000);
  const auto id = of(*worst, "id");
  const auto code = static_cast<std::int64_t>(of(*worst, "code"));
  if (code <= 0) return fmt::format("shard id {} is {}", id, text(worst->if_contains("state")));
  const auto meaning = fleet::refusal_words(code);
  return fmt::format("Discord closed shard id {} with code {}{}{}", id, code, meaning.empty() ? "" : ": ",
                     meaning);
}

std::string of_state(const bj::object& shard, std::string_view state, std::int64_t now_ms) {
  const auto seconds = [](double ms) { return fmt::format("{:.0f} s", std::max(0.0, ms / 1000)); };
  if (state == "offline" || state == "dead") {
    bool left = false;
    json::read(shard, "left", left);
    const auto host = text(shard.if_contains("host"));
    auto words = fmt::format("{}, last seen {}{}{}", left ? "its agent was stopped" : "no connection",
                             control::ago(number(shard.if_contains("lastSeen")), now_ms),
                             host.empty() ? "" : " on ", host);
    if (const auto end = last_end(shard); !end.empty()) words += "; its bot's last exit: " + end;
    return words;
  }
  if (state == "drained") return fmt::format("its host {} is drained", text(shard.if_contains("host")));
  if (state == "new") return "has never connected: start its agent";
  if (state == "silent")
    return "last sign of life " + control::ago(number(shard.if_contains("lastSeen")), now_ms);
  if (state == "crashing" || state == "parked") {
    auto words = last_end(shard);
    const auto at = control::next_start(shard);
    if (at > 0) words += "; starts again in " + seconds(static_cast<double>(at - now_ms));
    return words;
  }
  if (state == "refused" || state == "disconnected" || state == "deaf" || state == "hung")
    return gateway(shard, state);
  return {};
}

}  // namespace

std::string why(const bj::object& shard, std::int64_t now_ms) {
  auto words = of_state(shard, text(shard.if_contains("state")), now_ms);
  for (const auto& trouble : control::shard_troubles(shard)) words += (words.empty() ? "" : "; ") + trouble;
  return words;
}

}  // namespace smaster::watch
