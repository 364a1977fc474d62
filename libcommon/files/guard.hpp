// Protects files below a folder that is otherwise accessible: files that the server trusts or executes. Files
// and folders are identified by device and inode, so that links, other spellings or other mounts do not
// bypass it. Blocks; call it in a pool.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace smaster::files {

enum class Access { read, write };

/// A protected path, with all that is or will be below it.
struct Kept {
  std::filesystem::path path;  ///< absolute; may not exist yet
  std::string what;            ///< its name in an error message, such as "server.state_dir"
  bool readable = false;       ///< only writing is refused
};

class Guard {
 public:
  /// `writable`: absolute paths; if not empty, only they and files below them may be written. Git's folders
  /// (.git) are always protected.
  explicit Guard(std::vector<Kept> kept, std::vector<std::filesystem::path> writable = {})
      : kept_(std::move(kept)), writable_(std::move(writable)) {}

  /// Checks the name only, before any file is accessed.
  [[nodiscard]] Result<void> check_name(std::string_view name) const;
  /// Checks access to `last` in the open folder, which is `root` or below it. `name`: the requested name, for
  /// the error. Errors: not_permitted, with the reason.
  [[nodiscard]] Result<void> check(int root, int folder, const std::string& last, std::string_view name,
                                   Access access) const;
  /// The same for a file already opened for reading: checks where links have led.
  [[nodiscard]] Result<void> check_open(int root, int file, std::string_view name) const;

  /// The protected paths below `folder`, for the log.
  [[nodiscard]] std::vector<std::string> below(const std::filesystem::path& folder) const;

 private:
  std::vector<Kept> kept_;
  std::vector<std::filesystem::path> writable_;
};

}  // namespace smaster::files
