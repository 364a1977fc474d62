#include "control/shard_filter.hpp"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/value.hpp>
#include <cstdlib>
#include <optional>

#include "base/text.hpp"
#include "control/select.hpp"
#include "json/json.hpp"

namespace smaster::control {
namespace {

using Compare = Condition::Compare;

struct Sign {
  std::string_view text;
  Compare compare;
};
// Longer signs first: "<=" must not be read as "<" and a value that begins with "=".
constexpr Sign kSigns[] = {{"!=", Compare::not_equal}, {"<=", Compare::at_most}, {">=", Compare::at_least},
                           {"=", Compare::equal},      {"<", Compare::less},     {">", Compare::more}};

std::optional<Condition> parse_condition(std::string_view text) {
  const auto at = text.find_first_of("=!<>");
  if (at == std::string_view::npos) return std::nullopt;
  for (const auto& sign : kSigns) {
    if (!text.substr(at).starts_with(sign.text)) continue;
    Condition condition{std::string(trim(text.substr(0, at))), sign.compare,
                        std::string(trim(text.substr(at + sign.text.size())))};
    return condition.path.empty() ? std::nullopt : std::optional(std::move(condition));
  }
  return std::nullopt;
}

const boost::json::value* field(const boost::json::object& row, const std::string& path) {
  if (path == "name") return row.if_contains("id");
  const auto dot = path.find('.');
  const auto* const value = row.if_contains(path.substr(0, dot));
  if (value == nullptr || dot == std::string::npos) return value;
  return value->is_object() ? field(value->get_object(), path.substr(dot + 1)) : nullptr;
}

std::optional<double> as_number(const std::string& text) {
  char* end = nullptr;
  const double number = std::strtod(text.c_str(), &end);
  return text.empty() || *end != '\0' ? std::nullopt : std::optional(number);
}

bool holds(const std::string& text, Compare compare, const std::string& wanted) {
  const auto left = as_number(text);
  const auto right = as_number(wanted);
  const bool numbers = left && right;
  switch (compare) {
    case Compare::equal:
      return numbers ? *left == *right : text == wanted;
    case Compare::not_equal:
      return !holds(text, Compare::equal, wanted);
    case Compare::less:
      return numbers && *left < *right;
    case Compare::at_most:
      return numbers && *left <= *right;
    case Compare::more:
      return numbers && *left > *right;
    case Compare::at_least:
      return numbers && *left >= *right;
  }
  return false;
}

}  // namespace

Result<std::vector<Condition>> parse_where(std::string_view text) {
  std::vector<Condition> conditions;
  for (const auto part : split(text, ',')) {
    auto condition = parse_condition(part);
    if (!condition) {
      return fail(ErrorKind::usage,
                  "takes conditions such as state=silent or stats.ping>200,host=ams1, not \"" +
                      std::string(part) + '"');
    }
    conditions.push_back(std::move(*condition));
  }
  if (conditions.empty()) return fail(ErrorKind::usage, "has no condition, such as state=silent");
  return conditions;
}

bool has_field(const boost::json::object& row, const std::string& path) {
  return field(row, path) != nullptr;
}

bool fulfils(const boost::json::object& row, const std::vector<Condition>& conditions) {
  for (const auto& condition : conditions) {
    const auto* const value = field(row, condition.path);
    if (value == nullptr) return false;
    const auto text = value->is_string() ? std::string(value->get_string()) : json::serialize(*value);
    if (!holds(text, condition.compare, condition.value)) return false;
  }
  return true;
}

Error unknown_field(const std::string& path) {
  return fail(ErrorKind::usage,
              "no shard has a field \"" + path + "\"; \"smaster stats --json\" shows which there are");
}

Error unknown_host(const std::string& host, const std::set<std::string>& known) {
  constexpr std::size_t kShown = 20;
  std::string labels;
  std::size_t shown = 0;
  for (const auto& label : known) {
    if (label.empty()) continue;
    if (++shown > kShown) {
      labels += ", …";
      break;
    }
    labels += (labels.empty() ? "" : ", ") + label;
  }
  return fail(ErrorKind::not_found,
              "no shard is on a host \"" + host + "\"; " +
                  (labels.empty() ? std::string("no agent has a --host") : "hosts with shards: " + labels));
}

Result<void> keep_where(boost::json::object& stats, const std::vector<Condition>& conditions) {
  const auto& shards = stats.at("shards").as_array();
  for (const auto& condition : conditions) {
    const auto has = [&condition](const auto& shard) { return has_field(shard.as_object(), condition.path); };
    if (!shards.empty() && std::none_of(shards.begin(), shards.end(), has))
      return unknown_field(condition.path);
  }
  keep_if(stats, [&conditions](const boost::json::object& shard) { return fulfils(shard, conditions); });
  return {};
}

Result<void> keep_host(boost::json::object& stats, const std::string& host) {
  std::set<std::string> known;
  const auto label = [](const boost::json::object& shard) {
    std::string text;
    json::read(shard, "host", text);
    return text;
  };
  for (const auto& shard : stats.at("shards").as_array()) known.insert(label(shard.as_object()));
  if (host.empty() || !known.contains(host)) return unknown_host(host, known);
  keep_if(stats, [&](const boost::json::object& shard) { return label(shard) == host; });
  return {};
}

}  // namespace smaster::control
