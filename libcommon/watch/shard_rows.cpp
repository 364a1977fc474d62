// How the list of shards is drawn: the columns that fit, and only the rows on the screen.
#include <algorithm>
#include <array>
#include <numeric>

#include "base/outlet.hpp"
#include "control/render.hpp"
#include "control/select.hpp"
#include "watch/shard_list.hpp"
#include "watch/why.hpp"

namespace smaster::watch {
namespace {

namespace bj = boost::json;

constexpr std::size_t kGap = 2;
constexpr std::size_t kLongestSpark = 24;
constexpr std::size_t kShortestSpark = 4;
constexpr std::size_t kShortestWhy = 30;

struct Column {
  std::string_view head;                     ///< as of control::shard_table
  std::size_t least;                         ///< cells: columns do not jump while the figures change
  std::size_t importance;                    ///< on narrow screens; 0 is always shown
  double control::Sample::*spark = nullptr;  ///< drawn beside it
};
constexpr Column kColumns[] = {{"SHARD", 5, 0},
                               {"NAME", 4, 0},
                               {"STATE", 7, 0},
                               {"SEEN", 10, 1},
                               {"CPU", 5, 3, &control::Sample::cpu},
                               {"MEMORY", 9, 2, &control::Sample::memory},
                               {"MESSAGES", 8, 5, &control::Sample::messages},
                               {"PING", 6, 4, &control::Sample::ping}};
constexpr std::size_t kStateColumn = 2;
constexpr std::size_t kCount = std::size(kColumns);

/// Widths of the columns; 0: there is no room for it.
struct Layout {
  std::array<std::size_t, kCount> widths{};
  std::size_t spark = 0;
  std::size_t why = 0;
};

using Cells = std::array<std::string, kCount>;

std::vector<Cells> cells_of(const bj::array& shards, std::int64_t now_ms) {
  const auto table = control::shard_table({{"shards", shards}}, now_ms);
  const auto& heads = table.rows.front();
  std::vector<Cells> rows(table.rows.size());
  for (std::size_t column = 0; column < kCount; ++column) {
    const auto at = std::find(heads.begin(), heads.end(), kColumns[column].head);
    if (at == heads.end()) continue;
    for (std::size_t row = 0; row < rows.size(); ++row) {
      rows[row][column] = outlet::terminal(table.rows[row][static_cast<std::size_t>(at - heads.begin())]);
    }
  }
  return rows;
}

Layout lay_out(const std::vector<Cells>& rows, std::size_t longest_why, bool troubles, std::size_t width) {
  Layout layout;
  auto left = width - std::min(width, kGap);  // marks
  std::array<std::size_t, kCount> by_importance{};
  std::iota(by_importance.begin(), by_importance.end(), 0u);
  std::stable_sort(by_importance.begin(), by_importance.end(), [](std::size_t a, std::size_t b) {
    return kColumns[a].importance < kColumns[b].importance;
  });
  std::size_t sparks = 0;
  for (const auto column : by_importance) {
    auto wanted = kColumns[column].least;
    for (const auto& row : rows) wanted = std::max(wanted, cells(row[column]));
    const auto kept = troubles && kColumns[column].importance > 0 ? kShortestWhy : 0;
    if (wanted + kGap + kept > left && kColumns[column].importance > 0) break;
    layout.widths[column] = std::min(wanted, left);
    left -= std::min(wanted + kGap, left);
    sparks += kColumns[column].spark != nullptr ? 1 : 0;
  }
  if (troubles) {
    layout.why = std::min(left, std::max(longest_why, kShortestWhy));
    left -= layout.why;
  }
  if (sparks > 0) layout.spark = std::min(left / sparks, kLongestSpark + 1);
  layout.spark = layout.spark > kShortestSpark ? layout.spark - 1 : 0;
  return layout;
}

}  // namespace

std::vector<std::string> ShardList::draw(std::vector<Line>& screen, std::size_t width, std::size_t height,
                                         const Past& past, std::int64_t now_ms, bool utf8) {
  rows_ = height - std::min<std::size_t>(height, 1);
  if (cursor_ < top_) top_ = cursor_;
  if (cursor_ >= top_ + rows_) top_ = cursor_ + 1 - std::max<std::size_t>(rows_, 1);
  top_ = std::min(top_, order_.size() - std::min(order_.size(), rows_));

  bj::array shown;
  std::vector<std::string> names;
  std::vector<std::string> reasons;
  for (auto at = top_; at < std::min(order_.size(), top_ + rows_); ++at) {
    shown.push_back(row(at));
    names.push_back(name(at));
    reasons.push_back(outlet::terminal(why(row(at), now_ms)));
  }
  std::size_t longest = 0;
  for (const auto& reason : reasons) longest = std::max(longest, cells(reason));
  const auto rows = cells_of(shown, now_ms);
  const auto layout = lay_out(rows, longest, troubles_, width);
  for (std::size_t at = 0; at < height; ++at) {
    Line line;
    std::size_t used = 0;
    if (at < rows.size()) {
      const bool head = at == 0;
      const bool selected = !head && top_ + at - 1 == cursor_;
      const auto add = [&](std::string text, Style style = {}) {
        style.bold = style.bold || head;
        style.reverse = style.reverse || selected;
        used += cells(text);
        line.push_back({std::move(text), style});
      };
      add(!head && marks_.contains(names[at - 1]) ? "* " : "  ", {.bold = true});
      for (std::size_t column = 0; column < kCount; ++column) {
        if (layout.widths[column] == 0) continue;
        const auto& cell = rows[at][column];
        add(padded(cell, layout.widths[column]),
            column == kStateColumn && !head ? state_style(cell) : Style{});
        if (kColumns[column].spark != nullptr && layout.spark > 0) {
          const auto drawn =
              head ? std::string()
                   : past.drawn(names[at - 1], kColumns[column].spark, layout.spark, now_ms, utf8);
          add(' ' + padded(drawn, layout.spark));
        }
        add(std::string(kGap, ' '));
      }
      if (layout.why > 0) add(padded(head ? "WHY" : reasons[at - 1], layout.why));
      if (selected) add(std::string(width - std::min(width, used), ' '));
    }
    screen.push_back(std::move(line));
  }
  return names;
}

}  // namespace smaster::watch
