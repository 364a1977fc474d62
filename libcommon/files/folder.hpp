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
#include "base/new_file.hpp"
#include "base/result.hpp"
#include "base/types.hpp"
#include "files/guard.hpp"

namespace smaster::files {

/// A regular file as it was when it was opened.
struct File {
  std::string data;
  Time mtime{};
};

/// A regular file, open for reading.
struct OpenFile {
  Fd fd;
  std::size_t size = 0;
  Time mtime{};

  /// Up to `most` bytes from `offset` on; none at the end.
  [[nodiscard]] Result<std::string> read(std::size_t offset, std::size_t most) const;
};

/// A file on its way to its place; gone if it never is whole.
class FileWriter {
 public:
  FileWriter(std::string name, NewFile file, std::string last)
      : name_(std::move(name)), file_(std::move(file)), last_(std::move(last)) {}

  [[nodiscard]] Result<void> append(std::string_view data);
  /// Syncs, and puts it in its place.
  [[nodiscard]] Result<void> commit(std::optional<Time> mtime);

 private:
  std::string name_;
  NewFile file_;
  std::string last_;
};

/// Where a guard is given, what it keeps is refused as not_permitted.
class Folder {
 public:
  /// bad_config when there is no such folder.
  [[nodiscard]] static Result<Folder> open(const std::filesystem::path& path);

  /// The file's content. not_found; not_permitted for what leads out or is no regular file; bad_data over
  /// `max` bytes.
  [[nodiscard]] Result<File> read(std::string_view name, std::size_t max) const;
  /// The file, to be read piece by piece; errors as for read.
  [[nodiscard]] Result<OpenFile> open_file(std::string_view name, const Guard* guard = nullptr) const;
  /// Begins to write the file; makes the folders that are missing.
  [[nodiscard]] Result<FileWriter> create(std::string_view name, const Guard* guard = nullptr) const;
  /// Writes it whole, syncs, and puts it in its place; makes the folders that are missing.
  [[nodiscard]] Result<void> write(std::string_view name, std::string_view data, std::optional<Time> mtime,
                                   const Guard* guard = nullptr) const;
  /// Removes the file; one that does not exist is as good.
  [[nodiscard]] Result<void> remove(std::string_view name, const Guard* guard = nullptr) const;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  Folder(std::filesystem::path path, Fd fd) : path_(std::move(path)), fd_(std::move(fd)) {}
  std::filesystem::path path_;
  Fd fd_;
};

}  // namespace smaster::files
