#include "json/json.hpp"

#include <algorithm>
#include <array>
#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <limits>

#include "base/text.hpp"

namespace smaster::json {
namespace {

bj::parse_options options() {
  bj::parse_options opt;
  opt.max_depth = kMaxDepth;
  return opt;
}

/// Maximum number of member names kept; a status has about 24.
constexpr std::size_t kMaxNames = 64;

/// A handler for Boost.JSON's parser that creates no values. It validates, counts the elements of the
/// outermost array, and finds the member names of the objects in it.
struct Validator {
  std::size_t size = 0;
  std::vector<std::string_view>* names = nullptr;
  std::string_view text;
  int depth = 0;
  bool scattered = false;  ///< a name contains an escape: its spelling in the text differs

  using error_code = boost::system::error_code;
  using View = bj::string_view;
  static constexpr std::size_t max_object_size = std::numeric_limits<std::size_t>::max();
  static constexpr std::size_t max_array_size = std::numeric_limits<std::size_t>::max();
  static constexpr std::size_t max_key_size = std::numeric_limits<std::size_t>::max();
  static constexpr std::size_t max_string_size = std::numeric_limits<std::size_t>::max();
  bool on_document_begin(error_code&) { return true; }
  bool on_document_end(error_code&) { return true; }
  bool on_object_begin(error_code&) {
    ++depth;
    return true;
  }
  bool on_object_end(std::size_t, error_code&) {
    --depth;
    return true;
  }
  bool on_array_begin(error_code&) {
    ++depth;
    return true;
  }
  bool on_array_end(std::size_t n, error_code&) {
    --depth;
    size = n;
    return true;
  }
  bool on_key_part(View, std::size_t, error_code&) {
    scattered = true;
    return true;
  }
  bool on_key(View name, std::size_t, error_code&) {
    if (depth != 2 || names == nullptr || names->size() > kMaxNames) return true;
    const bool inside = name.data() > text.data() && name.data() < text.data() + text.size();
    scattered = scattered || !inside;
    names->emplace_back(name);
    return true;
  }
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

// The functions below scan JSON that is already validated, starting inside an array or object, whose end
// stops them. Most of a message's processing time is spent here.

enum class Mark : unsigned char { none, quote, begin, end, comma };

constexpr auto kMarks = [] {
  std::array<Mark, 256> marks{};
  marks['"'] = Mark::quote;
  marks['['] = marks['{'] = Mark::begin;
  marks[']'] = marks['}'] = Mark::end;
  marks[','] = Mark::comma;
  return marks;
}();

Mark mark(const char* at) { return kMarks[static_cast<unsigned char>(*at)]; }

const char* skip_space(const char* at) {
  while (is_space(*at)) ++at;
  return at;
}

/// The position after the string that starts at `at`.
const char* string_end(const char* at) {
  while (*++at != '"') at += *at == '\\' ? 1 : 0;
  return at + 1;
}

/// The position after the value that starts at `at`, and after the spaces behind it.
const char* value_end(const char* at) {
  for (int depth = 0; true; ++at) {
    switch (mark(at)) {
      case Mark::none:
        break;
      case Mark::quote:
        at = string_end(at) - 1;
        break;
      case Mark::begin:
        ++depth;
        break;
      case Mark::end:
        if (--depth < 0) return at;
        break;
      case Mark::comma:
        if (depth == 0) return at;
        break;
    }
  }
}

std::string_view view(const char* begin, const char* end) {
  while (is_space(end[-1])) --end;
  return {begin, static_cast<std::size_t>(end - begin)};
}

/// True if a text only needs quotes to become JSON, which is the usual case.
bool plain(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return c >= ' ' && c < '\x7f' && c != '"' && c != '\\'; });
}

/// The UTF-16 unit of the escape `\\uXXXX` at the front of `text`; nullopt if there is none.
std::optional<std::uint32_t> escaped_unit(std::string_view text) {
  if (text.size() < 6 || text[0] != '\\' || text[1] != 'u') return std::nullopt;
  std::uint32_t unit = 0;
  const auto [end, error] = std::from_chars(text.data() + 2, text.data() + 6, unit, 16);
  if (error != std::errc{} || end != text.data() + 6) return std::nullopt;
  return unit;
}

/// Replaces escapes of unpaired surrogates by that of U+FFFD, which has the same length. JavaScript writes
/// them for strings cut inside a character; Boost.JSON rejects them.
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

/// The size of the outermost array in `text`; nullopt if it is not exactly one JSON value.
std::optional<std::size_t> validate(std::string_view text, std::vector<std::string_view>* names = nullptr) {
  bj::basic_parser<Validator> parser(options());
  auto& handler = parser.handler();
  handler.names = names;
  handler.text = text;
  boost::system::error_code error;
  const auto used = parser.write_some(false, text.data(), text.size(), error);
  const bool good = !error && used == text.size();
  if (names != nullptr && (!good || handler.scattered || names->size() > kMaxNames)) names->clear();
  if (good) return handler.size;
  const auto mended = mend_surrogates(text);
  return mended == text ? std::nullopt : validate(mended);
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

Result<Elements> split(std::string_view text) {
  text = trim(text);
  Elements elements;
  const bool brackets = text.size() >= 2 && text.front() == '[' && text.back() == ']';
  const auto size = brackets ? validate(text, &elements.names) : std::nullopt;
  if (!size) return fail(ErrorKind::bad_data, "not a JSON array");
  auto& values = elements.values;
  values.reserve(*size);
  const char* at = text.data() + 1;
  while (values.size() < *size) {
    at = skip_space(at);
    // The last element may be long: it ends before the array's bracket, so it is not scanned.
    const bool last = values.size() + 1 == *size;
    const char* const end = last ? &text.back() : value_end(at);
    values.push_back(view(at, end));
    at = end + 1;
  }
  return elements;
}

Result<std::vector<std::string_view>> split_array(std::string_view text) {
  auto elements = split(text);
  if (!elements) return elements.error();
  return std::move(elements->values);
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

Members::Members(std::string_view object, std::span<const std::string_view> names)
    : at_(object.data() + object.find('{') + 1), end_(&object.back()) {
  const auto before = [](std::string_view name, const char* place) { return name.data() < place; };
  const auto first = std::lower_bound(names.begin(), names.end(), at_, before);
  names_ = {first, std::lower_bound(first, names.end(), end_, before)};
}

std::optional<Members::Member> Members::next() {
  at_ = skip_space(at_);
  if (*at_ == ',') at_ = skip_space(at_ + 1);
  if (*at_ != '"') return std::nullopt;
  const char* const name = at_ + 1;
  const char* const name_end = names_.empty() ? string_end(at_) - 1 : name + names_.front().size();
  const char* const value = skip_space(skip_space(name_end + 1) + 1);
  if (names_.empty()) {
    at_ = value_end(value);
  } else {
    names_ = names_.subspan(1);
    at_ = names_.empty() ? end_ : view(value, names_.front().data() - 1).end() - 1;
  }
  return Member{{name, static_cast<std::size_t>(name_end - name)}, view(value, at_)};
}

std::string quote(std::string_view text) {
  if (plain(text)) {
    std::string quoted;
    quoted.reserve(text.size() + 2);
    return quoted.append(1, '"').append(text).append(1, '"');
  }
  // Boost.JSON does not validate strings on output. JSON must be UTF-8 (RFC 8259, 8.1), so invalid bytes are
  // replaced.
  std::string clean;
  clean.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    const auto length = utf8_length(text.substr(i));
    if (length > 0) {
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

}  // namespace smaster::json
