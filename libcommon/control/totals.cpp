// The lines above the table of shards: totals, drained hosts and the queue of logins.
#include <spdlog/fmt/fmt.h>

#include <boost/json/array.hpp>

#include "control/render.hpp"
#include "control/select.hpp"
#include "json/json.hpp"

namespace smaster::control {
namespace {

namespace bj = boost::json;

std::string duration(double ms) {
  const auto seconds = static_cast<std::int64_t>(ms / 1000);
  if (seconds < 60) return fmt::format("{} s", seconds);
  if (seconds < 3600) return fmt::format("{} min {} s", seconds / 60, seconds % 60);
  return fmt::format("{} h {} min", seconds / 3600, seconds / 60 % 60);
}

}  // namespace

std::string totals_line(const bj::object& stats) {
  const auto of = [&](std::string_view key) { return number(stats.if_contains(key)); };
  return fmt::format("goal {}  current {}  configured {}  registered {}  known {}  clients {}  up {}",
                     of("goal"), of("current"), of("configured"), of("registered"), of("known"),
                     of("clients"), duration(of("uptime_ms")));
}

std::string identify_line(const bj::object& stats) {
  const auto* const identify = json::object_at(stats, "identify");
  if (identify == nullptr) return {};
  const auto of = [&](std::string_view key) { return number(identify->if_contains(key)); };
  const auto* const remaining = identify->if_contains("remaining");
  const bool counted = remaining != nullptr && remaining->is_number();
  if (of("waiting") > 0 && counted && of("next_needs") > of("remaining") - of("reserve")) {
    return fmt::format(
        "{} wait to log in until Discord allows more, in {}: {} logins are left, {} of them are reserved "
        "(discord.identify_reserve), and the next process needs {}",
        of("waiting"), duration(of("reset_in_ms")), of("remaining"), of("reserve"), of("next_needs"));
  }
  std::string line;
  if (of("waiting") > 0) {
    line = fmt::format("{} wait to log in, the next in {}, all have by {} from now", of("waiting"),
                       duration(of("next_in_ms")), duration(of("all_started_in_ms")));
  }
  if (counted) {
    line += fmt::format("{}{} logins are left ({} at a time), more in {}", line.empty() ? "" : "; ",
                        of("remaining"), of("max_concurrency"), duration(of("reset_in_ms")));
  }
  return line;
}

std::string drained_line(const bj::object& stats) {
  const auto* const drained = stats.if_contains("drained");
  if (drained == nullptr || !drained->is_array() || drained->get_array().empty()) return {};
  std::string labels;
  for (const auto& label : drained->get_array()) {
    if (label.is_string()) labels.append(labels.empty() ? "" : ", ").append(label.get_string());
  }
  return "drained hosts, which get no shard ids until \"smaster undrain HOST\": " + labels;
}

}  // namespace smaster::control
