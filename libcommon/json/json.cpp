#include "json/json.hpp"

#include <algorithm>
#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <charconv>
#include <cmath>
#include <limits>

#include "base/text.hpp"
#include "json/scratch.hpp"

namespace smaster::json {
namespace {

bj::parse_options options() {
  bj::parse_options opt;
  opt.max_depth = kMaxDepth;
  return opt;
}

/// A SAX handler that keeps nothing: parsing with it only validates.
struct Nothing {
  using error_code = boost::system::error_code;
  static constexpr std::size_t max_object_size = std::numeric_limits<std::size_t>::max();
  static constexpr std::size_t max_array_size = std::numeric_limits<std::size_t>::max();
  static constexpr std::size_t max_key_size = std::numeric_limits<std::size_t>::max();
  static constexpr std::size_t max_string_size = std::numeric_limits<std::size_t>::max();
  using View = bj::string_view;
  bool on_document_begin(error_code&) { return true; }
  bool on_document_end(error_code&) { return true; }
  bool on_object_begin(error_code&) { return true; }
  bool on_object_end(std::size_t, error_code&) { return true; }
  bool on_array_begin(error_code&) { return true; }
  bool on_array_end(std::size_t, error_code&) { return true; }
  bool on_key_part(View, std::size_t, error_code&) { return true; }
  bool on_key(View, std::size_t, error_code&) { return true; }
  bool on_string_part(View, std::size_t, error_code&) { return true; }
  bool on_string(View, std::size_t, error_code&) { return true; }
  bool on_number_part(View, error_code&) { return true; }
  bool on_int64(std::int64_t, View, error_code&) { return true; }
  bool on_uint64(std::uint64_t, View, error_code&) { return true; }
  bool on_double(double, View, error_code&) { return true; }
  bool on_bool(bool, error_code&) { return true; }
  bool on_null(error_code&) { return true; }
  bool on_comment_part(View, error_code&) { return true; }
  bool on_comment(View, error_code&) { return true; }
};

bool is_space(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

/// The end of the string that starts at `at` in JSON already known to be valid.
std::size_t string_end(std::string_view text, std::size_t at) {
  while (true) {
    at = text.find('"', at + 1);
    // A quote belongs to the string when an odd number of backslashes stands before it.
    const auto before = text.find_last_not_of('\\', at - 1);
    if ((at - before) % 2 == 1) return at + 1;
  }
}

/// The end of the value that starts at `at` in JSON already known to be valid.
std::size_t value_end(std::string_view text, std::size_t at) {
  int depth = 0;
  while (at < text.size()) {
    const char c = text[at];
    if (c == '"') {
      at = string_end(text, at);
      if (depth == 0) return at;
    } else if (c == '[' || c == '{') {
      ++depth;
      ++at;
    } else if (c == ']' || c == '}') {
      if (depth == 0) return at;
      ++at;
      if (--depth == 0) return at;
    } else if (depth == 0 && (c == ',' || is_space(c))) {
      return at;
    } else {
      ++at;
    }
  }
  return at;
}

/// A member of an object: its name with the quotes, and its value.
struct Member {
  std::string_view name;
  std::string_view value;
};

/// The next member after `at`, which moves behind it, in an object already known to be valid; none at its
/// end.
std::optional<Member> next_member(std::string_view text, std::size_t& at) {
  while (is_space(text[at]) || text[at] == ',') ++at;
  if (text[at] != '"') return std::nullopt;
  const auto name_end = string_end(text, at);
  const auto name = text.substr(at, name_end - at);
  at = text.find(':', name_end) + 1;
  while (is_space(text[at])) ++at;
  const auto begin = at;
  at = value_end(text, at);
  return Member{name, text.substr(begin, at - begin)};
}

/// The UTF-16 unit of the escape `\\uXXXX` at the front of `text`, if there is one.
std::optional<std::uint32_t> escaped_unit(std::string_view text) {
  if (text.size() < 6 || text[0] != '\\' || text[1] != 'u') return std::nullopt;
  std::uint32_t unit = 0;
  const auto [end, error] = std::from_chars(text.data() + 2, text.data() + 6, unit, 16);
  if (error != std::errc{} || end != text.data() + 6) return std::nullopt;
  return unit;
}

/// `text` with every escape of half a surrogate pair replaced by that of U+FFFD, which is as long. JavaScript
/// writes such escapes for a string that was cut in the middle of a character; Boost.JSON does not take them.
std::string mend_surrogates(std::string_view text) {
  std::string mended(text);
  for (std::size_t at = mended.find('\\'); at != std::string::npos; at = mended.find('\\', at)) {
    const auto rest = std::string_view(mended).substr(at);
    const auto unit = escaped_unit(rest);
    if (!unit || *unit < 0xD800 || *unit > 0xDFFF) {
      at += 2;
      continue;
    }
    const auto next = rest.size() > 6 ? escaped_unit(rest.substr(6)) : std::nullopt;
    if (*unit < 0xDC00 && next && *next >= 0xDC00 && *next <= 0xDFFF) {
      at += 12;
      continue;
    }
    mended.replace(at + 2, 4, "fffd");
    at += 6;
  }
  return mended;
}

boost::system::error_code validate(std::string_view text) {
  bj::basic_parser<Nothing> parser(options());
  boost::system::error_code error;
  const auto used = parser.write_some(false, text.data(), text.size(), error);
  if (!error && used != text.size()) error = bj::error::extra_data;
  return error;
}

template <class Strong>
void read_strong(const bj::object& object, std::string_view key, Strong& out) {
  std::int64_t raw = out.value;
  read(object, key, raw);
  if (raw >= std::numeric_limits<std::int32_t>::min() && raw <= std::numeric_limits<std::int32_t>::max()) {
    out.value = static_cast<std::int32_t>(raw);
  }
}

}  // namespace

Result<bj::value> parse(std::string_view text) {
  boost::system::error_code error;
  bj::value value = bj::parse(text, error, {}, options());
  if (error) value = bj::parse(mend_surrogates(text), error, {}, options());
  if (error) return fail(ErrorKind::bad_data, "not valid JSON: " + error.message());
  return value;
}

Result<const bj::value*> Scratch::parse(std::string_view text) {
  value_.reset();
  memory_.release();
  boost::system::error_code error;
  value_.emplace(bj::parse(text, error, &memory_, options()), &memory_);
  if (!error) return &*value_;
  auto mended = json::parse(text);  // which takes what JavaScript writes beyond JSON
  if (!mended) return mended.error();
  value_.emplace(std::move(*mended));
  return &*value_;
}

bool valid(std::string_view text) { return !validate(text) || !validate(mend_surrogates(text)); }

Result<std::vector<std::string_view>> split_array(std::string_view text) {
  text = trim(text);
  if (text.empty() || text.front() != '[' || text.back() != ']' || !valid(text)) {
    return fail(ErrorKind::bad_data, "not a JSON array");
  }
  std::vector<std::string_view> elements;
  std::size_t at = 1;
  while (true) {
    while (is_space(text[at]) || text[at] == ',') ++at;
    if (at == text.size() - 1) return elements;
    const auto end = value_end(text, at);
    elements.push_back(text.substr(at, end - at));
    at = end;
  }
}

Result<std::vector<std::pair<std::string, std::string_view>>> split_object(std::string_view text) {
  text = trim(text);
  if (text.empty() || text.front() != '{' || text.back() != '}' || !valid(text)) {
    return fail(ErrorKind::bad_data, "not a JSON object");
  }
  std::vector<std::pair<std::string, std::string_view>> members;
  for (std::size_t at = 1; const auto member = next_member(text, at);) {
    members.emplace_back(unquote(member->name).value_or(""), member->value);
  }
  return members;
}

std::optional<std::string_view> member(std::string_view text, std::string_view name) {
  for (std::size_t at = text.find('{') + 1; const auto member = next_member(text, at);) {
    if (member->name.substr(1, member->name.size() - 2) == name) return member->value;
  }
  return std::nullopt;
}

std::string quote(std::string_view text) {
  // Nearly all there is needs nothing but its quotes.
  const bool plain = std::all_of(text.begin(), text.end(),
                                 [](char c) { return c >= ' ' && c < '\x7f' && c != '"' && c != '\\'; });
  if (plain) {
    std::string quoted;
    quoted.reserve(text.size() + 2);
    return quoted.append(1, '"').append(text).append(1, '"');
  }
  // Boost.JSON writes strings as they are; JSON text must be UTF-8 (RFC 8259, 8.1), so stray bytes are
  // replaced.
  std::string clean;
  clean.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const std::size_t length = lead < 0x80 ? 1 : lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    bool good = lead < 0x80 || (lead >= 0xC2 && lead <= 0xF4 && i + length <= text.size());
    for (std::size_t k = 1; good && k < length; ++k)
      good = (static_cast<unsigned char>(text[i + k]) & 0xC0) == 0x80;
    if (good && length > 2) {
      const auto second = static_cast<unsigned char>(text[i + 1]);
      // Overlong forms, surrogates and code points past U+10FFFF (RFC 3629, 4).
      good = !(lead == 0xE0 && second < 0xA0) && !(lead == 0xED && second > 0x9F) &&
             !(lead == 0xF0 && second < 0x90) && !(lead == 0xF4 && second > 0x8F);
    }
    if (good) {
      clean.append(text.substr(i, length));
      i += length;
    } else {
      clean.append("\xEF\xBF\xBD");
      ++i;
    }
  }
  return bj::serialize(bj::string_view(clean));
}

std::string error(std::string_view message) { return R"({"name":"Error","message":)" + quote(message) + '}'; }

bool truthy(std::string_view text) {
  return !text.empty() && text != "null" && text != "false" && text != "\"\"" && text != "0" && text != "-0";
}

std::optional<std::string> unquote(std::string_view text) {
  if (text.empty() || text.front() != '"') return std::nullopt;
  auto value = parse(text);
  if (!value || !value->is_string()) return std::nullopt;
  return std::string(value->get_string());
}

const bj::object* object_at(const bj::object& object, std::string_view key) {
  const auto* const field = object.if_contains(key);
  return field != nullptr ? field->if_object() : nullptr;
}

void read(const bj::object& object, std::string_view key, bool& out) {
  if (const auto* v = object.if_contains(key); v != nullptr && v->is_bool()) out = v->get_bool();
}

void read(const bj::object& object, std::string_view key, std::string& out) {
  if (const auto* v = object.if_contains(key); v != nullptr && v->is_string()) out = v->get_string().c_str();
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
  // JavaScript has only doubles: 1e3 and 1700000000000.5 are whole or nearly whole numbers to it.
  const double d = v->to_number<double>();
  constexpr double kLimit = 9.0e18;
  if (std::isfinite(d) && std::abs(d) < kLimit) out = static_cast<std::int64_t>(d);
}

void read(const bj::object& object, std::string_view key, Time& out) {
  std::int64_t ms = to_unix_ms(out);
  read(object, key, ms);
  out = from_unix_ms(ms);
}

void read(const bj::object& object, std::string_view key, ShardId& out) { read_strong(object, key, out); }
void read(const bj::object& object, std::string_view key, ShardCount& out) { read_strong(object, key, out); }

void read_number_or_text(const bj::object& object, std::string_view key, double& out) {
  read(object, key, out);
  std::string text;
  read(object, key, text);
  const auto digits = trim(text);
  double value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (!digits.empty() && error == std::errc{} && std::isfinite(value) &&
      end == digits.data() + digits.size()) {
    out = value;
  }
}

std::string number(double value) {
  if (!std::isfinite(value)) return "null";
  char buffer[64];
  // Between 1e-6 and 1e21 JavaScript prints digits, outside it an exponent (ECMA-262, Number::toString).
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
