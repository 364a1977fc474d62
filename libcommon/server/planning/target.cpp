#include "server/planning/target.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <limits>

#include "json/json.hpp"

namespace smaster::server {

std::string to_text(const Target& target) {
  return json::serialize(boost::json::object{{"count", target.count.value},
                                             {"strategy", fleet::to_string(target.strategy)},
                                             {"setting", target.setting},
                                             {"operator", target.by_operator}});
}

std::optional<Target> parse_target(const std::string& text) {
  const auto value = json::parse(text);
  if (!value || !value->is_object()) return std::nullopt;
  Target target;
  std::string strategy;
  json::read(value->get_object(), "count", target.count);
  json::read(value->get_object(), "strategy", strategy);
  json::read(value->get_object(), "setting", target.setting);
  json::read(value->get_object(), "operator", target.by_operator);
  target.strategy = fleet::parse_strategy(strategy).value_or(fleet::Strategy::rolling);
  return target.count.known() ? std::optional(target) : std::nullopt;
}

std::string to_text(const std::set<std::string>& drained) {
  return json::serialize(boost::json::array(drained.begin(), drained.end()));
}

std::set<std::string> parse_drained(const std::string& text) {
  std::set<std::string> drained;
  const auto value = json::parse(text);
  if (!value || !value->is_array()) return drained;
  for (const auto& label : value->get_array()) {
    if (label.is_string()) drained.emplace(label.get_string());
  }
  return drained;
}

std::string to_text(const fleet::IdentifyLimits& limits) {
  boost::json::object object{{"maxConcurrency", limits.max_concurrency},
                             {"resetAt", to_unix_ms(limits.reset_at)},
                             {"total", limits.total},
                             {"reserve", limits.reserve}};
  if (limits.remaining) object["remaining"] = *limits.remaining;
  return json::serialize(object);
}

std::optional<fleet::IdentifyLimits> parse_limits(const std::string& text) {
  const auto value = json::parse(text);
  if (!value || !value->is_object()) return std::nullopt;
  const auto& object = value->get_object();
  fleet::IdentifyLimits limits;
  std::int64_t concurrency = 0;
  json::read(object, "maxConcurrency", concurrency);
  json::read(object, "resetAt", limits.reset_at);
  json::read(object, "total", limits.total);
  json::read(object, "reserve", limits.reserve);
  if (object.contains("remaining")) json::read(object, "remaining", limits.remaining.emplace(0));
  if (concurrency < 1 || concurrency > std::numeric_limits<std::int32_t>::max()) return std::nullopt;
  limits.max_concurrency = static_cast<std::int32_t>(concurrency);
  return limits;
}

}  // namespace smaster::server
