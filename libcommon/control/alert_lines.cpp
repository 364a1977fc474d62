#include "control/alert_lines.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <chrono>

#include "base/outlet.hpp"
#include "base/text.hpp"
#include "json/json.hpp"

namespace smaster::control {

std::string alert_lines(const boost::json::object& stats, std::int64_t now_ms) {
  const auto* const alerts = stats.if_contains("alerts");
  if (alerts == nullptr || !alerts->is_array()) return {};
  std::string lines;
  for (const auto& each : alerts->get_array()) {
    if (!each.is_object()) continue;
    std::string key;
    std::string text;
    json::read(each.get_object(), "key", key);
    // server_troubles shows those.
    if (key == "store" || key == "connections" || key.starts_with("server ")) continue;
    std::int64_t since = now_ms;
    bool silenced = false;
    json::read(each.get_object(), "text", text);
    json::read(each.get_object(), "since", since);
    json::read(each.get_object(), "silenced", silenced);
    const auto lasted =
        std::chrono::floor<std::chrono::seconds>(Millis{std::max<std::int64_t>(now_ms - since, 0)});
    lines += fmt::format("degraded for {}{}: {}\n", format_duration(lasted), silenced ? " (silenced)" : "",
                         outlet::terminal(text));
  }
  return lines;
}

}  // namespace smaster::control
