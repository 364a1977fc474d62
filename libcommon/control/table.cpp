#include "control/table.hpp"

#include <algorithm>

#include "base/outlet.hpp"

namespace smaster::control {
namespace {

constexpr std::string_view kEllipsis = "…";
constexpr std::string_view kPlain = "\x1b[0m";
constexpr std::size_t kGap = 2;

bool begins_character(char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }

std::vector<std::size_t> widths_of(const std::vector<Row>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], length(row[i]));
  }
  return widths;
}

std::size_t total(const std::vector<std::size_t>& widths) {
  std::size_t sum = 0;
  for (const auto width : widths) sum += width + (sum > 0 ? kGap : 0);
  return sum;
}

/// Removes dispensable columns in order, until the table fits.
void narrow(Table& table, std::size_t width) {
  auto dispensable = table.dispensable;
  for (std::size_t i = 0; i < dispensable.size() && total(widths_of(table.rows)) > width; ++i) {
    const auto gone = dispensable[i];
    for (auto& row : table.rows) {
      if (gone < row.size()) row.erase(row.begin() + static_cast<std::ptrdiff_t>(gone));
    }
    for (auto& other : dispensable) other -= other > gone ? 1 : 0;
    if (table.states != static_cast<std::size_t>(-1) && table.states > gone) --table.states;
  }
}

}  // namespace

std::size_t length(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), begins_character));
}

std::string fit(std::string_view text, std::size_t columns) {
  if (length(text) <= columns) return std::string(text);
  std::size_t end = 0;
  for (std::size_t seen = 0; end < text.size(); ++end) {
    if (begins_character(text[end]) && ++seen == std::max<std::size_t>(columns, 1)) break;
  }
  return std::string(text.substr(0, end)) + std::string(kEllipsis);
}

std::string_view state_colour(std::string_view state) {
  const auto is = [state](std::initializer_list<std::string_view> states) {
    return std::find(states.begin(), states.end(), state) != states.end();
  };
  if (is({"running"})) return "\x1b[32m";
  if (is({"starting", "logging in", "queued", "spare", "drained", "new"})) return "\x1b[34m";
  if (is({"silent", "deaf", "hung", "disconnected", "crashing", "parked"})) return "\x1b[33m";
  if (is({"offline", "dead", "refused"})) return "\x1b[31m";
  return "";
}

std::string render(Table table, const Look& look) {
  for (auto& row : table.rows) {
    for (auto& cell : row) cell = outlet::terminal(cell);
  }
  if (look.width > 0) narrow(table, look.width);
  const auto widths = widths_of(table.rows);
  std::string out;
  for (const auto& row : table.rows) {
    const bool header = &row == &table.rows.front();
    std::size_t left = look.width > 0 ? look.width : static_cast<std::size_t>(-1);
    for (std::size_t i = 0; i < row.size() && left > 0; ++i) {
      auto cell = row[i];
      if (i + 1 < row.size()) cell.append(widths[i] - length(cell) + kGap, ' ');
      // A cell may be cut, but not the gap behind it.
      if (length(row[i]) > left)
        cell = fit(row[i], left);
      else
        cell = length(cell) > left ? row[i] : cell;
      left -= length(cell);
      const auto colour = !look.colour        ? std::string_view()
                          : header            ? std::string_view("\x1b[1m")
                          : i == table.states ? state_colour(row[i])
                                              : std::string_view();
      out.append(colour).append(cell).append(colour.empty() ? "" : kPlain);
    }
    out += '\n';
  }
  return out;
}

}  // namespace smaster::control
