// Writes a bot's output to files in a folder: NAME.log, and older ones as NAME.TIME.log.gz. Bounded in size,
// number and age. Blocks: use in a pool.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "base/fd.hpp"
#include "base/result.hpp"
#include "base/types.hpp"

namespace smaster::agent {

class LogFile {
 public:
  /// Maximum number of compressed files of each bot.
  static constexpr std::size_t kMostOld = 10;
  /// A file with lines of more than this time is closed, so that old lines can be removed.
  static constexpr Millis kLongest{24 * 3'600'000};

  struct Limits {
    std::uint64_t size = 10u << 20;    ///< at which a file is closed and compressed, in bytes
    Millis age{7LL * 24 * 3'600'000};  ///< after which a compressed file is removed
  };

  LogFile(std::filesystem::path folder, std::string name, const Limits& limits)
      : folder_(std::move(folder)), name_(std::move(name)), limits_(limits) {}

  /// Appends lines. Errors: cannot_create, with the file; the lines are lost then.
  [[nodiscard]] Result<void> write(std::string_view lines, Time now);

 private:
  [[nodiscard]] std::filesystem::path path() const { return folder_ / (name_ + ".log"); }
  [[nodiscard]] Result<void> open(Time now);
  [[nodiscard]] Result<void> close(Time now);
  [[nodiscard]] Result<void> tidy(Time now) const;

  const std::filesystem::path folder_;
  const std::string name_;
  const Limits limits_;
  Fd file_;
  std::uint64_t size_ = 0;
  Time begun_{};  ///< when the file was created, or opened last
};

}  // namespace smaster::agent
