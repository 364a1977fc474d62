// Text that scrolls: the output of a command, complete or as it comes.
#pragma once

#include <cstddef>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "watch/text.hpp"

namespace smaster::watch {

/// True if the text has these words; letters of ASCII in either case.
[[nodiscard]] bool has_words(std::string_view text, std::string_view words);

/// Keeps the last lines, wrapped at the screen's width.
class Pager {
 public:
  static constexpr std::size_t kMostLines = 20'000;
  static constexpr std::size_t kMostBytes = 32 << 20;
  static constexpr std::size_t kLongestLine = 64 << 10;  ///< bytes; the rest is left out

  explicit Pager(bool follow) : follow_(follow) {}

  /// Adds output, in pieces of any size.
  void append(std::string_view bytes);
  /// Shows what follows the last line feed.
  void finish();
  /// Replaces all of it; the place on the screen stays.
  void replace(std::string_view text);
  /// Shows only lines with these words; empty: all.
  void find(std::string words);
  [[nodiscard]] bool finds() const { return !words_.empty(); }
  [[nodiscard]] bool empty() const { return lines_.empty(); }

  /// Moves; false if the key does not move. `height`: rows on the screen.
  bool key(char32_t key, std::size_t height);
  [[nodiscard]] bool follows() const { return follow_; }
  void follow(bool on) { follow_ = on; }

  /// Appends exactly `height` lines to the screen.
  void draw(std::vector<Line>& screen, std::size_t width, std::size_t height);
  /// "lines 1-20 of 57", of the rows last drawn.
  [[nodiscard]] std::string place() const;

 private:
  void add(std::string line);
  void wrap_all();
  void wrap_one(const std::string& line);
  void drop_first();

  std::deque<std::string> lines_;
  std::deque<std::string> rows_;  ///< those of `lines_` that have the words, wrapped
  std::string begun_;             ///< a line without its end
  std::string words_;
  std::size_t bytes_ = 0;
  std::size_t width_ = 80;
  std::size_t height_ = 0;
  std::size_t top_ = 0;
  bool follow_;
};

}  // namespace smaster::watch
