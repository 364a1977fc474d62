// JSON as values: what their fields are, and how they are written.
#include <boost/json/serialize.hpp>
#include <charconv>
#include <cmath>
#include <utility>

#include "base/text.hpp"
#include "json/json.hpp"

namespace smaster::json {

const bj::object* object_at(const bj::object& object, std::string_view key) {
  const auto* const field = object.if_contains(key);
  return field != nullptr ? field->if_object() : nullptr;
}

namespace {

template <class Strong>
void read_strong(const bj::object& object, std::string_view key, Strong& out) {
  std::int64_t raw = out.value;
  read(object, key, raw);
  if (raw >= std::numeric_limits<std::int32_t>::min() && raw <= std::numeric_limits<std::int32_t>::max()) {
    out.value = static_cast<std::int32_t>(raw);
  }
}

std::optional<std::int64_t> to_whole(double number) {
  constexpr double kLimit = 9.0e18;
  if (!std::isfinite(number) || std::abs(number) >= kLimit) return std::nullopt;
  return static_cast<std::int64_t>(number);
}

}  // namespace

std::optional<double> real(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool good = error == std::errc{} && end == text.data() + text.size() && std::isfinite(value);
  return good ? std::optional(value) : std::nullopt;
}

std::optional<std::int64_t> whole(std::string_view text) {
  if (const auto number = parse_int<std::int64_t>(text)) return number;
  const auto number = real(text);
  return number ? to_whole(*number) : std::nullopt;
}

void read(const bj::object& object, std::string_view key, bool& out) {
  if (const auto* v = object.if_contains(key); v != nullptr && v->is_bool()) out = v->get_bool();
}

void read(const bj::object& object, std::string_view key, std::string& out) {
  if (const auto* v = object.if_contains(key); v != nullptr && v->is_string())
    out = std::string_view(v->get_string());  // may contain U+0000
}

void read(const bj::object& object, std::string_view key, double& out) {
  const auto* v = object.if_contains(key);
  if (v != nullptr && v->is_number()) out = v->to_number<double>();
}

void read(const bj::object& object, std::string_view key, std::int64_t& out) {
  const auto* v = object.if_contains(key);
  if (v == nullptr || !v->is_number()) return;
  if (v->is_int64()) {
    out = v->get_int64();
    return;
  }
  out = to_whole(v->to_number<double>()).value_or(out);
}

void read(const bj::object& object, std::string_view key, Time& out) {
  std::int64_t ms = to_unix_ms(out);
  read(object, key, ms);
  out = from_unix_ms(ms);
}

void read(const bj::object& object, std::string_view key, ShardId& out) { read_strong(object, key, out); }
void read(const bj::object& object, std::string_view key, ShardCount& out) { read_strong(object, key, out); }

std::string number(double value) {
  if (!std::isfinite(value)) return "null";
  char buffer[64];
  // JavaScript uses an exponent outside 1e-6 … 1e21 (ECMA-262, Number::toString).
  const double size = std::abs(value);
  const bool plain = value == 0 || (size >= 1e-6 && size < 1e21);
  const auto [end, error] = std::to_chars(buffer, buffer + sizeof buffer, value,
                                          plain ? std::chars_format::fixed : std::chars_format::scientific);
  return error == std::errc{} ? std::string(buffer, end) : "null";
}

namespace {

void append(std::string& out, const bj::value& value) {
  switch (value.kind()) {
    case bj::kind::double_:
      out += number(value.get_double());
      return;
    case bj::kind::array: {
      out += '[';
      bool first = true;
      for (const auto& element : value.get_array()) {
        if (!std::exchange(first, false)) out += ',';
        append(out, element);
      }
      out += ']';
      return;
    }
    case bj::kind::object: {
      out += '{';
      bool first = true;
      for (const auto& [key, element] : value.get_object()) {
        if (!std::exchange(first, false)) out += ',';
        out += quote(key);
        out += ':';
        append(out, element);
      }
      out += '}';
      return;
    }
    case bj::kind::string:
      out += quote(value.get_string());
      return;
    case bj::kind::int64:
      out += std::to_string(value.get_int64());
      return;
    case bj::kind::null:
    case bj::kind::bool_:
    case bj::kind::uint64:
      out += bj::serialize(value);
      return;
  }
}

}  // namespace

std::string serialize(const bj::value& value) {
  std::string out;
  append(out, value);
  return out;
}

}  // namespace smaster::json
