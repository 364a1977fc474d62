#include "base/text.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

namespace smaster {
namespace {

constexpr std::array<std::pair<std::string_view, std::int64_t>, 5> kUnits{
    {{"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1'000}, {"ms", 1}}};

}  // namespace

std::optional<Millis> parse_duration(std::string_view text) {
  const auto unit_at = text.find_first_not_of("0123456789.");
  if (unit_at == 0 || unit_at == std::string_view::npos) return std::nullopt;
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + unit_at, number);
  if (error != std::errc{} || end != text.data() + unit_at) return std::nullopt;
  for (const auto& [unit, factor] : kUnits) {
    if (text.substr(unit_at) != unit) continue;
    const double ms = std::round(number * static_cast<double>(factor));
    constexpr double kLongest =
        1000.0 * 365 * 86'400'000;  // a thousand years: past any use, far from overflow
    if (ms > kLongest) return std::nullopt;
    return Millis{static_cast<std::int64_t>(ms)};
  }
  return std::nullopt;
}

std::string format_duration(Millis duration) {
  const auto ms = duration.count();
  for (const auto& [unit, factor] : kUnits) {
    // Choose the largest unit that divides it, except one day: "24h" reads better than "1d", and "90s" better
    // than a fraction.
    if (ms != 0 && ms % factor == 0 && !(unit == "d" && ms < 2 * factor)) {
      return std::to_string(ms / factor).append(unit);
    }
  }
  return std::to_string(ms) + "ms";
}

std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> pieces;
  while (!text.empty()) {
    const auto piece = text.substr(0, text.find(separator));
    if (!piece.empty()) pieces.push_back(piece);
    text.remove_prefix(std::min(piece.size() + 1, text.size()));
  }
  return pieces;
}

std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < size) return 0;
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  // The second byte excludes overlong forms, surrogates, and values above U+10FFFF.
  const auto second = byte(1);
  const bool excluded = (first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f) ||
                        (first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f);
  return excluded ? 0 : size;
}

}  // namespace smaster
