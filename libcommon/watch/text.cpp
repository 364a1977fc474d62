#include "watch/text.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "control/table.hpp"

namespace smaster::watch {
namespace {

constexpr std::string_view kCut = "…";

struct Range {
  char32_t first;
  char32_t last;
};
/// Characters that terminals draw over the one before: the usual ranges of Unicode's categories Mn and Cf.
constexpr Range kNone[] = {{0x300, 0x36f},   {0x483, 0x489},   {0x591, 0x5bd},   {0x610, 0x61a},
                           {0x64b, 0x65f},   {0xe31, 0xe31},   {0xe34, 0xe3a},   {0xe47, 0xe4e},
                           {0x1ab0, 0x1aff}, {0x1dc0, 0x1dff}, {0x200b, 0x200f}, {0x20d0, 0x20ff},
                           {0xfe00, 0xfe0f}, {0xfe20, 0xfe2f}};
/// Characters of two cells: East Asian Width W and F (Unicode TR 11).
constexpr Range kTwo[] = {{0x1100, 0x115f},   {0x2e80, 0x303e},   {0x3041, 0x33ff},  {0x3400, 0x4dbf},
                          {0x4e00, 0x9fff},   {0xa000, 0xa4cf},   {0xac00, 0xd7a3},  {0xf900, 0xfaff},
                          {0xfe30, 0xfe6f},   {0xff00, 0xff60},   {0xffe0, 0xffe6},  {0x1f300, 0x1f64f},
                          {0x1f680, 0x1f6ff}, {0x1f900, 0x1f9ff}, {0x20000, 0x3fffd}};

template <std::size_t N>
bool within(const Range (&ranges)[N], char32_t code) {
  return std::any_of(std::begin(ranges), std::end(ranges),
                     [code](const Range& range) { return code >= range.first && code <= range.last; });
}

struct Character {
  std::size_t bytes;
  std::size_t cells;
};

/// The first character of a text that is not empty. An invalid byte counts as one.
Character first(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto size = utf8_length(text);
  if (size <= 1) return {1, 1};
  char32_t code = byte(0) & (0x7fu >> size);
  for (std::size_t i = 1; i < size; ++i) code = code << 6 | (byte(i) & 0x3fu);
  return {size, within(kNone, code) ? 0u : within(kTwo, code) ? 2u : 1u};
}

/// Number of bytes that fit into `width` cells.
std::size_t bytes_within(std::string_view text, std::size_t width) {
  std::size_t end = 0;
  for (std::size_t used = 0; end < text.size();) {
    const auto character = first(text.substr(end));
    used += character.cells;
    if (used > width) break;
    end += character.bytes;
  }
  return end;
}

}  // namespace

Style state_style(std::string_view state) {
  const auto sequence = control::state_colour(state);
  // "\x1b[3Nm": select graphic rendition.
  return {.colour = sequence.size() == 5 ? static_cast<char>(sequence[3] - '0') : char{0}};
}

std::size_t cells(std::string_view text) {
  std::size_t sum = 0;
  while (!text.empty()) {
    const auto character = first(text);
    sum += character.cells;
    text.remove_prefix(character.bytes);
  }
  return sum;
}

std::string fit(std::string_view text, std::size_t width) {
  const auto whole = bytes_within(text, width);
  if (whole == text.size()) return std::string(text);
  if (width == 0) return {};
  return std::string(text.substr(0, bytes_within(text, width - 1))).append(kCut);
}

std::vector<std::string> wrap(std::string_view text, std::size_t width) {
  std::vector<std::string> pieces;
  do {
    // Of a character that is wider than the screen at least the character; behind a space, if one is near.
    auto end = text.empty() ? 0 : std::max(bytes_within(text, width), first(text).bytes);
    const auto space = text.substr(0, end).rfind(' ');
    if (end < text.size() && space != std::string_view::npos && space > end / 2) end = space + 1;
    pieces.emplace_back(text.substr(0, end));
    text.remove_prefix(end);
  } while (!text.empty());
  return pieces;
}

std::string padded(std::string_view text, std::size_t width) {
  auto cell = fit(text, width);
  cell.append(width - std::min(width, cells(cell)), ' ');
  return cell;
}

std::string ascii(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const auto size = first(text).bytes;
    const auto character = text.substr(0, size);
    out += static_cast<unsigned char>(character[0]) < 0x80 ? character : character == kCut ? "~" : "?";
    text.remove_prefix(size);
  }
  return out;
}

void append(std::string& text, char32_t character) {
  const auto add = [&text](char32_t byte) { text += static_cast<char>(byte); };
  if (character < 0x80) return add(character);
  if (character < 0x800) {
    add(0xc0 | character >> 6);
  } else if (character < 0x10000) {
    add(0xe0 | character >> 12);
    add(0x80 | (character >> 6 & 0x3f));
  } else {
    add(0xf0 | character >> 18);
    add(0x80 | (character >> 12 & 0x3f));
    add(0x80 | (character >> 6 & 0x3f));
  }
  add(0x80 | (character & 0x3f));
}

void remove_last(std::string& text) {
  while (!text.empty() && (static_cast<unsigned char>(text.back()) & 0xc0) == 0x80) text.pop_back();
  if (!text.empty()) text.pop_back();
}

}  // namespace smaster::watch
