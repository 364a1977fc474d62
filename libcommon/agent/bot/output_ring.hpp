// The last lines of a bot's output, in memory. The bot's token is cut out of them: they leave the host. Knows
// no clock and no connection.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/bot/output_packet.hpp"
#include "base/types.hpp"

namespace smaster::agent {

class OutputRing {
 public:
  static constexpr std::size_t kDefaultLines = 1'000;
  /// Bytes that are kept for each line of the limit, on average.
  static constexpr std::size_t kBytesPerLine = 256;

  /// `most`: maximum number of lines; 0: none are kept. `secret`: is replaced by "[token]"; empty: nothing.
  OutputRing(std::size_t most, std::string secret) : most_(most), secret_(std::move(secret)) {}

  /// Called with each line that is added, if set; for files.
  std::function<void(Time, OutputStream, const std::string&)> on_line;

  void add(Time time, OutputStream stream, std::string_view text);
  /// Adds the lines of a keeper's packet.
  void take(std::string_view packet);

  /// Number of lines so far: the newest line has this number.
  [[nodiscard]] std::uint64_t newest() const { return newest_; }

  /// Which lines are wanted: the newest that fit.
  struct Wanted {
    std::optional<std::uint64_t> after{};  ///< only lines with a higher number
    Time since{};
    std::size_t lines = static_cast<std::size_t>(-1);
    std::size_t bytes = static_cast<std::size_t>(-1);  ///< of JSON
  };
  /// A JSON array of `[unix milliseconds, stream, text]`, oldest first. A note says how many lines are
  /// missing because of `bytes`, or after `after`.
  [[nodiscard]] std::string select(const Wanted& wanted) const;
  /// The newest lines of the bot after this number, oldest first; longer ones are cut to fit into `bytes`.
  [[nodiscard]] std::vector<std::string> tail(std::uint64_t after, std::size_t lines,
                                              std::size_t bytes) const;

 private:
  struct Line {
    Time time;
    OutputStream stream;
    std::string text;
  };

  [[nodiscard]] std::string without_secret(OutputStream stream, std::string_view text);

  const std::size_t most_;
  const std::string secret_;
  /// Bytes of the secret at the end of each stream's last line, which was cut there: the rest may follow.
  std::array<std::size_t, 3> begun_secret_{};
  std::deque<Line> lines_;
  std::size_t bytes_ = 0;
  std::uint64_t newest_ = 0;
};

/// "(312 lines dropped)".
[[nodiscard]] std::string dropped_words(std::uint64_t lines);

}  // namespace smaster::agent
