// Rows as a table for people: aligned, as wide as the terminal allows, coloured where that is wanted.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace smaster::control {

/// What the text goes to.
struct Look {
  std::size_t width = 0;  ///< columns of the terminal; 0: no limit
  bool colour = false;
};

using Row = std::vector<std::string>;

struct Table {
  std::vector<Row> rows;  ///< the first one is the header
  /// Columns that may go when the terminal is too narrow, the first one first.
  std::vector<std::size_t> dispensable{};
  /// The column whose cells are states, which have colours; none if there is no such column.
  std::size_t states = static_cast<std::size_t>(-1);
};

/// Columns wide enough for their longest cell; the last one is not padded. Lines that are too wide all the
/// same end in "…".
[[nodiscard]] std::string render(Table table, const Look& look);

/// The first `columns` characters of a text that has no escape sequences; cut ones end in "…".
[[nodiscard]] std::string fit(std::string_view text, std::size_t columns);

/// How many characters of UTF-8 a text has.
[[nodiscard]] std::size_t length(std::string_view text);

/// The escape sequence of a state's colour (ECMA-48 SGR): green runs, blue is on its way, yellow wants
/// looking at, red is down.
[[nodiscard]] std::string_view state_colour(std::string_view state);

}  // namespace smaster::control
