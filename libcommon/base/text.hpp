// Small conversions between text and values that several rooms need.
#pragma once

#include <charconv>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.hpp"

namespace smaster {

/// A duration such as "30s", "5m", "250ms", "1.5h" or "2d"; a bare number is refused, it has no unit.
[[nodiscard]] std::optional<Millis> parse_duration(std::string_view text);

/// The shortest exact form that parse_duration reads back: "90s", "5m", "250ms".
[[nodiscard]] std::string format_duration(Millis duration);

/// The whole of `text` as a decimal integer, or nothing (no sign `+`, no spaces, no rest).
template <class Int>
[[nodiscard]] std::optional<Int> parse_int(std::string_view text) {
  Int value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// Whether there is a NUL in it: made a C string, it would be cut there, and be another path, host or
/// argument than the one that was looked at. Whoever makes one refuses such a text.
[[nodiscard]] inline bool has_nul(std::string_view text) { return text.find('\0') != std::string_view::npos; }

[[nodiscard]] std::string_view trim(std::string_view text);

/// What stands between the separators; empty pieces are left out.
[[nodiscard]] std::vector<std::string_view> split(std::string_view text, char separator);

}  // namespace smaster
