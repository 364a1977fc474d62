// Conversions between text and values.
#pragma once

#include <charconv>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.hpp"

namespace smaster {

/// Parses a duration such as "30s", "5m", "250ms", "1.5h" or "2d". nullopt for other texts, including numbers
/// without a unit.
[[nodiscard]] std::optional<Millis> parse_duration(std::string_view text);

/// The shortest exact text that parse_duration accepts: "90s", "5m", "250ms".
[[nodiscard]] std::string format_duration(Millis duration);

/// Parses all of `text` as a decimal integer; nullopt for other texts (also for "+1" and spaces).
template <class Int>
[[nodiscard]] std::optional<Int> parse_int(std::string_view text) {
  Int value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// Empties a text and gives back its memory, which `text = {}` keeps.
inline void release(std::string& text) { std::string().swap(text); }

/// Number of bytes of the first character of `text`, which must not be empty; 0 if they are not UTF-8: an
/// overlong form, a surrogate, a value above U+10FFFF, or cut off (RFC 3629).
[[nodiscard]] std::size_t utf8_length(std::string_view text);

/// True if the text contains a NUL. As a C string it would be cut there, and name another path, host or
/// argument than the one that was checked: callers must reject it.
[[nodiscard]] inline bool has_nul(std::string_view text) { return text.find('\0') != std::string_view::npos; }

[[nodiscard]] std::string_view trim(std::string_view text);

/// The parts between separators; empty parts are left out.
[[nodiscard]] std::vector<std::string_view> split(std::string_view text, char separator);

}  // namespace smaster
