#include "control/shard_filter.hpp"

#include <boost/json/value.hpp>
#include <cstdlib>
#include <optional>

#include "base/text.hpp"
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

}  // namespace smaster::control
