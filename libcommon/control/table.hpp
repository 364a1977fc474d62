// Tables for people: aligned, limited to the terminal's width, optionally coloured.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace smaster::control {

/// The properties of the output device.
struct Look {
  std::size_t width = 0;  ///< terminal width in columns; 0: unlimited
  bool colour = false;
};

using Row = std::vector<std::string>;

struct Table {
  std::vector<Row> rows;  ///< the first row is the header
  /// Columns that may be removed if the terminal is too narrow; the first one first.
  std::vector<std::size_t> dispensable{};
  /// Index of the column with states, which are coloured; −1: none.
  std::size_t states = static_cast<std::size_t>(-1);
};

/// Columns are as wide as their longest cell; the last one is not padded. Lines that are still too wide are
/// cut and end in "…".
[[nodiscard]] std::string render(Table table, const Look& look);

/// The first `columns` characters of a text without escape sequences; a cut text ends in "…".
[[nodiscard]] std::string fit(std::string_view text, std::size_t columns);

/// Number of characters of a UTF-8 text.
[[nodiscard]] std::size_t length(std::string_view text);

/// The escape sequence for a state's colour (ECMA-48 SGR): green: running; blue: in transition; yellow: needs
/// attention; red: down.
[[nodiscard]] std::string_view state_colour(std::string_view state);

}  // namespace smaster::control
