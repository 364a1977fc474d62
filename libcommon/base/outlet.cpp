#include "base/outlet.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>

#include "base/text.hpp"

namespace smaster::outlet {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";  // U+FFFD
constexpr std::size_t kMostInHeader = 900;                 ///< bytes; the limit of a mail's line is 998

struct Character {
  std::uint32_t code = 0;  ///< U+FFFD for an invalid byte
  std::string_view text;   ///< its output
  std::size_t size = 0;    ///< its size in the input, in bytes
};

/// Decodes the first character of `text`, which must not be empty.
Character front(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto size = utf8_length(text);
  if (size == 0) return {0xfffd, kReplacement, 1};
  std::uint32_t code = size == 1 ? byte(0) : byte(0) & (0x7fu >> size);
  for (std::size_t i = 1; i < size; ++i) code = code << 6 | (byte(i) & 0x3fu);
  return {code, text.substr(0, size), size};
}

/// True for characters that a terminal, editor or log viewer may interpret: C0, DEL and C1 (ECMA-48), line
/// separators, and characters that change the text's direction or are invisible (Unicode TR 36).
bool commands(std::uint32_t code) {
  return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x061c || code == 0x200e || code == 0x200f ||
         (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069) || code == 0xfeff ||
         (code >= 0xfff9 && code <= 0xfffb) || (code >= 0xe0000 && code <= 0xe007f);
}

bool is_plain(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

/// Replaces each character by the result of `write`. Printable ASCII texts are returned unchanged, as a fast
/// path.
template <class Write>
std::string each(std::string_view text, Write write) {
  if (is_plain(text)) return std::string(text);
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const auto character = front(text);
    write(out, character);
    text.remove_prefix(character.size);
  }
  return out;
}

void append_escape(std::string& out, std::uint32_t unit) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  out += "\\u";
  for (const unsigned shift : {12u, 8u, 4u, 0u}) out += kDigits[unit >> shift & 15u];
}

bool is_number(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size();
}

/// True if spreadsheets interpret a cell with this text as a formula. Includes the full-width characters of
/// Japanese input.
bool is_formula(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));  // some spreadsheets do so
  for (const std::string_view begin : {"=", "+", "-", "@", "\t", "\r", "\n", "\xef\xbc\x9d", "\xef\xbc\x8b",
                                       "\xef\xbc\x8d", "\xef\xbc\xa0"}) {
    if (text.starts_with(begin)) return !is_number(text);
  }
  return false;
}

}  // namespace

std::string log(std::string_view text) {
  return each(text, [](std::string& out, const Character& character) {
    if (character.code == '\n') {
      out += "\\n";
    } else {
      out += commands(character.code) ? "?" : character.text;
    }
  });
}

std::string terminal(std::string_view text) {
  return each(text, [](std::string& out, const Character& character) {
    out += commands(character.code) ? " " : character.text;
  });
}

std::string terminal_lines(std::string_view text) {
  return each(text, [](std::string& out, const Character& character) {
    const bool layout = character.code == '\n' || character.code == '\t';
    out += !layout && commands(character.code) ? " " : character.text;
  });
}

std::string json(std::string_view json_text) {
  return each(json_text, [](std::string& out, const Character& character) {
    const bool space = character.code == '\n' || character.code == '\r' || character.code == '\t';
    if (space || !commands(character.code)) {
      out += character.text;
    } else if (character.code < 0x10000) {
      append_escape(out, character.code);
    } else {
      append_escape(out, 0xd800 + ((character.code - 0x10000) >> 10));
      append_escape(out, 0xdc00 + ((character.code - 0x10000) & 0x3ff));
    }
  });
}

std::string csv_cell(std::string_view text) {
  const auto prefix = is_formula(text) ? "'" : "";
  if (text.find_first_of(",;\"\t\r\n") == std::string_view::npos) return prefix + std::string(text);
  std::string quoted = std::string("\"") + prefix;
  for (const char c : text) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + '"';
}

std::string mail_header(std::string_view text) { return terminal(cut(text, kMostInHeader)); }

std::string mail_body(std::string_view text) {
  const auto shown = terminal_lines(text);
  std::string out;
  for (std::size_t at = 0; at < shown.size();) {
    const auto line =
        std::string_view(shown).substr(at, std::min(shown.find('\n', at), shown.size() - 1) - at + 1);
    // Lines with a special meaning: a lone dot ends a mail, "~" starts a command of mailx, "-" may be a MIME
    // boundary, "From " starts the next mail in a mailbox.
    const bool special =
        line.starts_with('.') || line.starts_with('~') || line.starts_with('-') || line.starts_with("From ");
    out.append(special ? " " : "").append(line);
    at += line.size();
  }
  return out;
}

std::string metrics_label(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const auto character = front(text);
    text.remove_prefix(character.size);
    if (character.code == '\n') {
      out += "\\n";
    } else if (character.code == '\\' || character.code == '"') {
      out.append("\\").append(character.text);
    } else {
      out += commands(character.code) ? " " : character.text;
    }
  }
  return out;
}

std::string_view cut(std::string_view text, std::size_t bytes) {
  if (text.size() <= bytes) return text;
  const auto continues = [&](std::size_t at) {
    return (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80;
  };
  auto end = bytes;
  for (std::size_t i = 0; i < 3 && end > 0 && continues(end); ++i) --end;
  return text.substr(0, continues(end) ? bytes : end);
}

}  // namespace smaster::outlet
