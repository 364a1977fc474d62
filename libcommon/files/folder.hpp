// Files below one folder, and nowhere else: the kernel resolves every name beneath it (openat2), so that
// neither
// "..", nor absolute names, nor links, nor a folder swapped for a link meanwhile lead out. Blocks; runs in a
// pool.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "base/fd.hpp"
#include "base/result.hpp"
#include "base/types.hpp"

namespace smaster::files {

/// A regular file as it was when it was opened.
struct File {
  std::string data;
  Time mtime{};
};

class Folder {
 public:
  /// bad_config when there is no such folder.
  [[nodiscard]] static Result<Folder> open(const std::filesystem::path& path);

  /// The file's content. not_found; not_permitted for what leads out or is no regular file; bad_data over
  /// `max` bytes.
  [[nodiscard]] Result<File> read(std::string_view name, std::size_t max) const;
  /// When the file was last changed; errors as for read.
  [[nodiscard]] Result<Time> mtime(std::string_view name) const;
  /// Writes beside the file under a temporary name, syncs, renames; makes the folders that are missing.
  [[nodiscard]] Result<void> write(std::string_view name, std::string_view data,
                                   std::optional<Time> mtime) const;
  /// Removes the file; one that does not exist is as good.
  [[nodiscard]] Result<void> remove(std::string_view name) const;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  Folder(std::filesystem::path path, Fd fd) : path_(std::move(path)), fd_(std::move(fd)) {}
  std::filesystem::path path_;
  Fd fd_;
};

}  // namespace smaster::files
