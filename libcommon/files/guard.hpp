// What lies below a folder and is kept from those who may otherwise read and write there: what the server
// trusts or executes. Files and folders are recognised by what they are (device and inode), however they are
// reached: by links, other spellings, other mounts. Blocks; runs in a pool.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace smaster::files {

enum class Access { read, write };

/// A path that is kept, with all that is or will be below it.
struct Kept {
  std::filesystem::path path;  ///< absolute; need not exist
  std::string what;            ///< for the sentence of a refusal: "server.state_dir"
  bool readable = false;       ///< it is only not to be written
};

class Guard {
 public:
  /// `writable`: absolute paths; if there are any, nothing may be written that is not one of them or below
  /// one. What git keeps (.git) is always kept, wherever it is.
  explicit Guard(std::vector<Kept> kept, std::vector<std::filesystem::path> writable = {})
      : kept_(std::move(kept)), writable_(std::move(writable)) {}

  /// Before anything is touched: what the name alone tells.
  [[nodiscard]] Result<void> check_name(std::string_view name) const;
  /// Whether `last` in the open folder, which is `root` or below it, may be read or written. `name`: what was
  /// asked for. not_permitted says what is kept there.
  [[nodiscard]] Result<void> check(int root, int folder, const std::string& last, std::string_view name,
                                   Access access) const;
  /// The same for a file that is open for reading, wherever links have led.
  [[nodiscard]] Result<void> check_open(int root, int file, std::string_view name) const;

  /// What of it lies below the folder, for the log.
  [[nodiscard]] std::vector<std::string> below(const std::filesystem::path& folder) const;

 private:
  std::vector<Kept> kept_;
  std::vector<std::filesystem::path> writable_;
};

}  // namespace smaster::files
