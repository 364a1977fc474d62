#include "base/file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>

#include "base/text.hpp"

namespace smaster {
namespace {

Error system_error(const std::string& what, const std::filesystem::path& path, int code) {
  const auto kind = code == ENOENT ? ErrorKind::not_found
                                   : (code == EACCES || code == EPERM ? ErrorKind::not_permitted
                                                                      : ErrorKind::cannot_create);
  return fail(kind, "cannot " + what + " " + path.string() + ": " + std::strerror(code));
}

/// The error for a path with a NUL character, which the system would cut there.
Error cut_short(const std::filesystem::path& path) {
  return fail(ErrorKind::bad_data, "the path " + path.string().substr(0, path.string().find('\0')) +
                                       "… has a NUL character in it: no file can be named so");
}

/// Reads an open file to its end. nullopt: it has more than `most` bytes. Errors: the system's.
std::optional<std::string> read_all(int file, std::size_t most) {
  std::string data;
  char piece[16 * 1024];
  while (data.size() <= most) {
    const auto size = ::read(file, piece, sizeof piece);
    if (size == 0) return data;
    if (size > 0) {
      data.append(piece, static_cast<std::size_t>(size));
    } else if (errno != EINTR) {
      return std::nullopt;
    }
  }
  errno = EFBIG;
  return std::nullopt;
}

}  // namespace

Result<std::string> read_file(const std::filesystem::path& path, std::size_t most) {
  if (has_nul(path.native())) return cut_short(path);
  // Opening a pipe waits for its other end otherwise.
  const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat info {};
  if (!file || ::fstat(file.get(), &info) != 0) return system_error("read", path, errno);
  if (S_ISFIFO(info.st_mode) || S_ISSOCK(info.st_mode)) {
    return fail(ErrorKind::bad_data, "cannot read " + path.string() + ": it is a pipe, not a file");
  }
  auto data = read_all(file.get(), most);
  if (!data) return system_error("read", path, errno);
  return *std::move(data);
}

Result<std::string> read_any_file(const std::filesystem::path& path) {
  if (has_nul(path.native())) return cut_short(path);
  const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  auto data = file ? read_all(file.get(), std::string().max_size() / 2) : std::nullopt;
  if (!data) return system_error("read", path, errno);
  return *std::move(data);
}

Result<void> write_file(const std::filesystem::path& path, std::string_view data, mode_t mode,
                        IfExists if_exists) {
  if (has_nul(path.native())) return cut_short(path);
  const auto parent = path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
  Fd folder(::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  auto file = folder ? NewFile::begin(std::move(folder), mode) : std::nullopt;
  if (!file) return system_error("create a file in", parent, errno);
  if (!file->append(data) || !file->commit(path.filename().string(), if_exists)) {
    return system_error("write", path, errno);
  }
  return {};
}

Result<void> make_private_folder(const std::filesystem::path& path) {
  if (has_nul(path.native())) return cut_short(path);
  std::error_code error;
  auto folder = std::filesystem::absolute(path, error).lexically_normal();
  if (!folder.has_filename()) folder = folder.parent_path();  // "dir/" means the same folder as "dir"
  if (std::filesystem::is_directory(folder, error)) return {};
  if (const auto parent = folder.parent_path(); !parent.empty() && parent != folder) {
    std::filesystem::create_directories(parent, error);
    if (error) return system_error("create folder", parent, error.value());
  }
  if (::mkdir(folder.c_str(), 0700) != 0 && !(errno == EEXIST && std::filesystem::is_directory(folder))) {
    return system_error("create folder", folder, errno);
  }
  return {};
}

}  // namespace smaster
