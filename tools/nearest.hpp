// Suggestions for mistyped words.
#pragma once

#include <algorithm>
#include <array>
#include <numeric>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace smaster::tools {

/// The Levenshtein distance: the number of letters to be added, removed or changed.
[[nodiscard]] inline std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    auto diagonal = std::exchange(row[0], i + 1);
    for (std::size_t k = 0; k < b.size(); ++k) {
      const auto changed = diagonal + (a[i] == b[k] ? 0 : 1);
      diagonal = row[k + 1];
      row[k + 1] = std::min({changed, row[k] + 1, diagonal + 1});
    }
  }
  return row.back();
}

/// What other programs of the field call our commands.
inline constexpr std::pair<std::string_view, std::string_view> kSynonyms[] = {
    {"restart", "respawn"},  {"reload", "respawn"}, {"top", "stats"},       {"ps", "stats"},
    {"ls", "stats"},         {"list", "stats"},     {"status", "stats"},    {"monit", "stats"},
    {"exec", "eval"},        {"run", "serve"},      {"start", "serve"},     {"describe", "shard"},
    {"log", "logs"},         {"tail", "logs"},      {"scale", "reshard"},   {"history", "events"},
    {"timeline", "events"},  {"audit", "events"},   {"mute", "silence"},    {"alerts", "silence"},
    {"uncordon", "undrain"}, {"check", "doctor"},   {"diagnose", "doctor"}, {"health", "doctor"},
};

/// `, did you mean X?` with the most similar word; empty if no word is similar enough.
template <class Words>
[[nodiscard]] std::string did_you_mean(std::string_view typed, const Words& words) {
  std::string best;
  for (const auto& [other, ours] : kSynonyms) {
    if (typed == other && std::find(words.begin(), words.end(), ours) != words.end()) {
      return ", did you mean \"" + std::string(ours) + "\"?";
    }
  }
  // Short words allow only few differences; otherwise any word would match.
  auto least = typed.size() <= 3 ? 2 : std::max<std::size_t>(2, typed.size() / 3) + 1;
  for (const std::string& word : words) {
    const auto beginning = typed.size() > 2 && word.starts_with(typed);
    const auto off = beginning ? 1 : distance(typed, word);
    if (off >= least) continue;
    least = off;
    best = word;
  }
  return best.empty() ? best : ", did you mean \"" + best + "\"?";
}

}  // namespace smaster::tools
