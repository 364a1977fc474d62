#include "watch/pager.hpp"

#include <algorithm>
#include <utility>

#include "base/outlet.hpp"
#include "base/text.hpp"
#include "watch/keys.hpp"

namespace smaster::watch {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

}  // namespace

bool has_words(std::string_view text, std::string_view words) {
  const auto parts = split(words, ' ');
  return std::all_of(parts.begin(), parts.end(), [text](std::string_view part) {
    return std::search(text.begin(), text.end(), part.begin(), part.end(),
                       [](char a, char b) { return lower(a) == lower(b); }) != text.end();
  });
}

void Pager::append(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto end = bytes.find('\n');
    if (begun_.size() < kLongestLine)
      begun_ += outlet::cut(bytes.substr(0, end), kLongestLine - begun_.size());
    if (end == std::string_view::npos) return;
    add(std::exchange(begun_, {}));
    bytes.remove_prefix(end + 1);
  }
}

void Pager::finish() {
  if (!begun_.empty()) add(std::exchange(begun_, {}));
}

void Pager::replace(std::string_view text) {
  lines_.clear();
  rows_.clear();
  begun_.clear();
  bytes_ = 0;
  append(text);
  finish();
}

void Pager::find(std::string words) {
  words_ = std::move(words);
  top_ = 0;
  wrap_all();
}

void Pager::add(std::string line) {
  lines_.push_back(outlet::terminal(line));
  bytes_ += lines_.back().size();
  wrap_one(lines_.back());
  while (lines_.size() > kMostLines || bytes_ > kMostBytes) drop_first();
}

void Pager::drop_first() {
  if (has_words(lines_.front(), words_)) {
    const auto gone = wrap(lines_.front(), width_).size();
    rows_.erase(rows_.begin(), rows_.begin() + static_cast<std::ptrdiff_t>(gone));
    top_ -= std::min(top_, gone);
  }
  bytes_ -= lines_.front().size();
  lines_.pop_front();
}

void Pager::wrap_one(const std::string& line) {
  if (!has_words(line, words_)) return;
  for (auto& piece : wrap(line, width_)) rows_.push_back(std::move(piece));
}

void Pager::wrap_all() {
  rows_.clear();
  for (const auto& line : lines_) wrap_one(line);
}

bool Pager::key(char32_t key, std::size_t height) {
  const auto page = std::max<std::size_t>(height, 2) - 1;
  const auto up = [this](std::size_t rows) {
    follow_ = false;
    top_ -= std::min(top_, rows);
  };
  switch (key) {
    case kUp:
    case 'k':
      up(1);
      return true;
    case kPageUp:
    case 'b':
      up(page);
      return true;
    case kHome:
    case 'g':
      up(top_);
      return true;
    case kDown:
    case 'j':
    case kEnter:
      ++top_;  // draw() keeps it within the text
      return true;
    case kPageDown:
    case ' ':
      top_ += page;
      return true;
    case kEnd:
    case 'G':
      top_ = rows_.size();
      return true;
    default:
      return false;
  }
}

void Pager::draw(std::vector<Line>& screen, std::size_t width, std::size_t height) {
  const auto was = std::exchange(width_, std::max<std::size_t>(width, 1));
  if (was != width_) {
    const auto before = std::max<std::size_t>(rows_.size(), 1);
    wrap_all();
    top_ = top_ * rows_.size() / before;
  }
  height_ = height;
  const auto last = rows_.size() - std::min(rows_.size(), height);
  top_ = follow_ ? last : std::min(top_, last);
  for (std::size_t row = 0; row < height; ++row) {
    screen.push_back(top_ + row < rows_.size() ? Line{{rows_[top_ + row]}} : Line{});
  }
}

std::string Pager::place() const {
  if (rows_.empty()) return words_.empty() ? "nothing" : "no line has \"" + words_ + '"';
  return "lines " + std::to_string(top_ + 1) + '-' + std::to_string(std::min(rows_.size(), top_ + height_)) +
         " of " + std::to_string(rows_.size()) + (words_.empty() ? "" : " with \"" + words_ + '"');
}

}  // namespace smaster::watch
