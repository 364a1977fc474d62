// Text in cells of a terminal: its width, cut and wrapped, with attributes.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace smaster::watch {

struct Style {
  bool bold = false;
  bool faint = false;
  bool reverse = false;
  char colour = 0;  ///< ECMA-48's number of it, 1 to 6; 0: the terminal's own
};

struct Span {
  std::string text;
  Style style{};
};

/// A line of the screen, from the left.
using Line = std::vector<Span>;

/// The colour of a state.
[[nodiscard]] Style state_style(std::string_view state);

/// Number of cells that a text without control characters takes.
[[nodiscard]] std::size_t cells(std::string_view text);
/// The beginning of a text that fits into this many cells; a cut one ends in "…".
[[nodiscard]] std::string fit(std::string_view text, std::size_t width);
/// The text in pieces of at most this many cells; at least one.
[[nodiscard]] std::vector<std::string> wrap(std::string_view text, std::size_t width);
/// The text followed by spaces, in exactly this many cells.
[[nodiscard]] std::string padded(std::string_view text, std::size_t width);
/// For terminals without UTF-8: "…" becomes "~", all other characters beyond ASCII "?".
[[nodiscard]] std::string ascii(std::string_view text);
/// Appends a character.
void append(std::string& text, char32_t character);
/// Removes the last character, if any.
void remove_last(std::string& text);

}  // namespace smaster::watch
