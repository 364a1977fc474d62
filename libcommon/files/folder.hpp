// Files confined to one folder: the kernel resolves every name beneath it (openat2), so that "..", absolute
// names, links, or replacing a folder by a link cannot leave it. Blocks; call it in a pool.
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

/// The content of a regular file.
struct File {
  std::string data;
  Time mtime{};
};

/// A regular file, open for reading.
struct OpenFile {
  Fd fd;
  std::size_t size = 0;
  Time mtime{};

  /// Reads up to `most` bytes at `offset`; empty at the end.
  [[nodiscard]] Result<std::string> read(std::size_t offset, std::size_t most) const;
};

/// A file being written. It is discarded unless `commit` succeeds.
class FileWriter {
 public:
  FileWriter(std::string name, NewFile file, std::string last)
      : name_(std::move(name)), file_(std::move(file)), last_(std::move(last)) {}

  [[nodiscard]] Result<void> append(std::string_view data);
  /// Syncs the file and moves it to its name, atomically.
  [[nodiscard]] Result<void> commit(std::optional<Time> mtime);

 private:
  std::string name_;
  NewFile file_;
  std::string last_;
};

/// All names are relative to the folder. With a guard, protected files are refused with not_permitted.
class Folder {
 public:
  /// Errors: bad_config if the folder does not exist.
  [[nodiscard]] static Result<Folder> open(const std::filesystem::path& path);

  /// Reads a file. Errors: not_found; not_permitted if the name leads out of the folder or is no regular
  /// file; bad_data above `max` bytes.
  [[nodiscard]] Result<File> read(std::string_view name, std::size_t max) const;
  /// Opens a file to be read in pieces. Errors as for `read`.
  [[nodiscard]] Result<OpenFile> open_file(std::string_view name, const Guard* guard = nullptr) const;
  /// Starts to write a file; creates missing folders.
  [[nodiscard]] Result<FileWriter> create(std::string_view name, const Guard* guard = nullptr) const;
  /// Writes a file atomically and syncs it; creates missing folders.
  [[nodiscard]] Result<void> write(std::string_view name, std::string_view data, std::optional<Time> mtime,
                                   const Guard* guard = nullptr) const;
  /// Removes a file; succeeds if it does not exist.
  [[nodiscard]] Result<void> remove(std::string_view name, const Guard* guard = nullptr) const;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  Folder(std::filesystem::path path, Fd fd) : path_(std::move(path)), fd_(std::move(fd)) {}
  std::filesystem::path path_;
  Fd fd_;
};

}  // namespace smaster::files
