// What is on the other end: a person's terminal, with a pager, colours and progress bars, or a program.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/types.hpp"
#include "control/client.hpp"
#include "control/table.hpp"

namespace smaster::tools {

/// Stdout's width and whether it likes colours; neither when it is no terminal.
[[nodiscard]] control::Look look();

/// Prints a long text for people through a pager, as git does: $SMASTER_PAGER, $PAGER or less, which ends
/// at once when all fits on the screen. Without a terminal, or with "cat" or nothing as the pager, the text
/// is just printed.
void page(std::string_view text);

/// How far something is: a bar on a terminal's last line, drawn on stderr. Elsewhere it draws nothing, and
/// the lines stand alone.
class Progress {
 public:
  enum class Unit { count, bytes };
  /// Draws only if `wanted` and stderr is a terminal.
  explicit Progress(bool wanted, Unit unit = Unit::count);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  [[nodiscard]] bool drawn() const { return drawn_; }
  void update(std::int64_t done, std::int64_t all, std::string_view words = {});
  /// A line for stdout, above the bar: for people, as print_line; data as it is; and JSON.
  void line(std::string_view text);
  void data_line(std::string_view text);
  void json_line(std::string_view text);
  /// Takes the bar away, for what comes after it.
  void finish();

 private:
  void clear() const;
  void draw() const;

  bool drawn_;
  Unit unit_;
  Instant start_;
  std::int64_t done_ = 0;
  std::int64_t all_ = 0;
  std::string words_;
};

/// Sends a file, or stdin for "-", with a bar for people while it takes time; the server's answer. bad_data
/// when the file cannot be read.
[[nodiscard]] Result<std::string> send_file(const control::Client& client, std::string_view method,
                                            std::string_view target, const std::string& path);

}  // namespace smaster::tools
