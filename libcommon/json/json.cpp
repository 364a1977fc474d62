#include "json/json.hpp"

#include <algorithm>
#include <array>
#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <charconv>
#include <cmath>
#include <limits>

#include "base/text.hpp"

namespace smaster::json {
namespace {

bj::parse_options options() {
  bj::parse_options opt;
  opt.max_depth = kMaxDepth;
  return opt;
}

/// A handler for Boost.JSON's parser that keeps nothing but the size of the outermost array: parsing with it
/// only validates.
struct Validator {
  std::size_t size = 0;
  using error_code = boost::system::error_code;
  using View = bj::string_view;
  static constexpr std::size_t max_object_size = std::numeric_limits<std::size_t>::max();
  static constexpr std::size_t max_array_size = std::numeric_limits<std::size_t>::max();
  static constexpr std::size_t max_key_size = std::numeric_limits<std::size_t>::max();
  static constexpr std::size_t max_string_size = std::numeric_limits<std::size_t>::max();
  bool on_document_begin(error_code&) { return true; }
  bool on_document_end(error_code&) { return true; }
  bool on_object_begin(error_code&) { return true; }
  bool on_object_end(std::size_t, error_code&) { return true; }
  bool on_array_begin(error_code&) { return true; }
  bool on_array_end(std::size_t n, error_code&) {
    size = n;
    return true;
  }
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
  while (text[++at] != '"') at += text[at] == '\\' ? 1 : 0;
  return at + 1;
}

/// Whether a character begins or ends something that others are inside of.
constexpr auto kStructural = [] {
  std::array<bool, 256> is{};
  for (const unsigned char c : {'"', '[', ']', '{', '}'}) is[c] = true;
  return is;
}();

/// The end of the array or object that starts at `at` in JSON already known to be valid.
std::size_t nest_end(std::string_view text, std::size_t at) {
  for (int depth = 0; true; ++at) {
    while (!kStructural[static_cast<unsigned char>(text[at])]) ++at;
    switch (text[at]) {
      case '"':
        at = string_end(text, at) - 1;
        break;
      case '[':
      case '{':
        ++depth;
        break;
      default:
        if (--depth == 0) return at + 1;
    }
  }
}

/// The end of the value that starts at `at` in JSON already known to be valid.
std::size_t value_end(std::string_view text, std::size_t at) {
  if (text[at] == '"') return string_end(text, at);
  if (text[at] == '[' || text[at] == '{') return nest_end(text, at);
  const auto end = text.find_first_of(",]} \n\t\r", at);
  return std::min(end, text.size());
}

/// Whether text needs nothing but quotes around it, as nearly all there is.
bool plain(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return c >= ' ' && c < '\x7f' && c != '"' && c != '\\'; });
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

/// The size of the outermost array in `text`; none when it is not exactly one JSON value.
std::optional<std::size_t> validate(std::string_view text) {
  const auto size = [](std::string_view json) -> std::optional<std::size_t> {
    bj::basic_parser<Validator> parser(options());
    boost::system::error_code error;
    const auto used = parser.write_some(false, json.data(), json.size(), error);
    return error || used != json.size() ? std::nullopt : std::optional(parser.handler().size);
  };
  const auto found = size(text);
  return found ? found : size(mend_surrogates(text));
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

bool valid(std::string_view text) { return validate(text).has_value(); }

Result<std::vector<std::string_view>> split_array(std::string_view text) {
  text = trim(text);
  const bool brackets = text.size() >= 2 && text.front() == '[' && text.back() == ']';
  const auto size = brackets ? validate(text) : std::nullopt;
  if (!size) return fail(ErrorKind::bad_data, "not a JSON array");
  std::vector<std::string_view> elements;
  elements.reserve(*size);
  std::size_t at = 1;
  while (elements.size() < *size) {
    while (is_space(text[at]) || text[at] == ',') ++at;
    // The last one, which may be long, ends where the array does.
    const bool last = elements.size() + 1 == *size;
    const auto end = last ? text.size() - 1 : value_end(text, at);
    elements.push_back(trim(text.substr(at, end - at)));
    at = end;
  }
  return elements;
}

Result<std::vector<std::pair<std::string, std::string_view>>> split_object(std::string_view text) {
  text = trim(text);
  if (text.empty() || text.front() != '{' || text.back() != '}' || !valid(text)) {
    return fail(ErrorKind::bad_data, "not a JSON object");
  }
  std::vector<std::pair<std::string, std::string_view>> members;
  for (Members reader(text); const auto member = reader.next();) {
    members.emplace_back(unquote('"' + std::string(member->name) + '"').value_or(""), member->value);
  }
  return members;
}

std::optional<Members::Member> Members::next() {
  while (is_space(text_[at_]) || text_[at_] == ',') ++at_;
  if (text_[at_] != '"') return std::nullopt;
  const auto name_end = string_end(text_, at_);
  const auto name = text_.substr(at_ + 1, name_end - at_ - 2);
  at_ = text_.find(':', name_end) + 1;
  while (is_space(text_[at_])) ++at_;
  const auto begin = at_;
  at_ = value_end(text_, begin);
  return Member{name, text_.substr(begin, at_ - begin)};
}

std::string quote(std::string_view text) {
  if (plain(text)) {
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
  if (text.size() < 2 || text.front() != '"') return std::nullopt;
  const auto inside = text.substr(1, text.size() - 2);
  if (text.back() == '"' && plain(inside)) return std::string(inside);
  auto value = parse(text);
  if (!value || !value->is_string()) return std::nullopt;
  return std::string(value->get_string());
}

const bj::object* object_at(const bj::object& object, std::string_view key) {
  const auto* const field = object.if_contains(key);
  return field != nullptr ? field->if_object() : nullptr;
}

namespace {

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
