// Output that depends on whether stdout is a terminal: pager, colours, progress bars.
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

/// The width of stdout and its support for colours; neither if it is no terminal.
[[nodiscard]] control::Look look();

/// Whether the locale's characters are UTF-8; sets the process' locale to the environment's.
[[nodiscard]] bool utf8();

/// Shows a long text in a pager, like git: $SMASTER_PAGER, $PAGER or less, which exits at once if the text
/// fits on the screen. The text is printed directly without a terminal, or if the pager is "cat" or empty.
void page(std::string_view text);

/// A progress bar on the last line of a terminal, drawn on stderr. Without a terminal it draws nothing.
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
  /// Prints a line on stdout above the bar: for people like print_line; as data like print; or as JSON.
  void line(std::string_view text);
  void data_line(std::string_view text);
  void json_line(std::string_view text);
  /// Removes the bar.
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

/// Sends a file, or stdin for "-", with a progress bar; returns the server's response. Errors: bad_data if
/// the file cannot be read.
[[nodiscard]] Result<std::string> send_file(const control::Client& client, std::string_view method,
                                            std::string_view target, const std::string& path);

}  // namespace smaster::tools
