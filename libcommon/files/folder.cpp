#include "files/folder.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace smaster::files {
namespace {

constexpr mode_t kFileMode = 0644;
constexpr mode_t kFolderMode = 0755;

Fd open_beneath(int folder, const std::string& name, int flags) {
  open_how how{};
  how.flags = static_cast<std::uint64_t>(flags | O_CLOEXEC);
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  while (true) {
    const auto fd = ::syscall(SYS_openat2, folder, name.c_str(), &how, sizeof how);
    // EAGAIN: a concurrent rename interrupted the lookup; retrying is expected (openat2(2)).
    if (fd >= 0 || (errno != EAGAIN && errno != EINTR)) return Fd(static_cast<int>(fd));
  }
}

Error refused(std::string_view name, const std::string& why) {
  return fail(ErrorKind::not_permitted, '"' + std::string(name.substr(0, 200)) + "\" " + why);
}

/// Turns errno into an error about this name.
Error name_error(std::string_view name, const char* doing) {
  const int error = errno;
  const auto shown = '"' + std::string(name.substr(0, 200)) + '"';
  if (error == ENOENT) return fail(ErrorKind::not_found, shown + " does not exist");
  if (error == EXDEV || error == ELOOP) return refused(name, "leads out of the project directory");
  return fail(error == EACCES || error == EPERM ? ErrorKind::not_permitted : ErrorKind::cannot_create,
              std::string("cannot ") + doing + ' ' + shown + ": " + std::strerror(error));
}

Result<void> check_name(std::string_view name, const Guard* guard = nullptr) {
  if (name.empty()) return refused(name, "is no file name");
  if (name.find('\0') != std::string_view::npos) return refused(name, "has a NUL byte in it");
  const auto last = name.substr(name.rfind('/') + 1);
  if (last.empty() || last == "." || last == "..") return refused(name, "is no file name");
  return guard == nullptr ? Result<void>() : guard->check_name(name);
}

/// Splits a name into its folder and its last component.
std::pair<std::string, std::string> split(std::string_view name) {
  const auto slash = name.rfind('/');
  if (slash == std::string_view::npos) return {".", std::string(name)};
  return {std::string(slash == 0 ? "/" : name.substr(0, slash)), std::string(name.substr(slash + 1))};
}

Result<struct stat> regular(const Fd& file, std::string_view name) {
  struct stat info {};
  if (::fstat(file.get(), &info) != 0) return name_error(name, "look at");
  if (!S_ISREG(info.st_mode)) return refused(name, "is no regular file");
  return info;
}

Time mtime_of(const struct stat& info) {
  return from_unix_ms(std::int64_t{info.st_mtim.tv_sec} * 1000 + info.st_mtim.tv_nsec / 1'000'000);
}

/// The target must be a regular file or not exist. A link itself is replaced or removed.
Result<void> check_target(int folder, const std::string& last, std::string_view name) {
  struct stat info {};
  if (::fstatat(folder, last.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISREG(info.st_mode) &&
      !S_ISLNK(info.st_mode)) {
    return refused(name, "is no regular file");
  }
  return {};
}

/// Opens the folder `path`, creating missing components.
Result<Fd> open_folder(int root, const std::string& path, std::string_view name) {
  auto folder = open_beneath(root, path, O_RDONLY | O_DIRECTORY);
  if (folder || errno != ENOENT) {
    if (!folder) return name_error(name, "write");
    return folder;
  }
  const auto [parent_path, last] = split(path);
  auto parent = open_folder(root, parent_path, name);
  if (!parent) return parent;
  if (::mkdirat(parent->get(), last.c_str(), kFolderMode) != 0 && errno != EEXIST) {
    return name_error(name, "make a folder for");
  }
  folder = open_beneath(root, path, O_RDONLY | O_DIRECTORY);
  if (!folder) return name_error(name, "write");
  return folder;
}

}  // namespace

Result<Folder> Folder::open(const std::filesystem::path& path) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) {
    return fail(ErrorKind::bad_config,
                "cannot open the folder " + path.string() + ": " + std::strerror(errno));
  }
  return Folder(path, std::move(fd));
}

Result<OpenFile> Folder::open_file(std::string_view name, const Guard* guard) const {
  if (auto good = check_name(name, guard); !good) return good.error();
  // O_NONBLOCK: do not wait at a pipe. O_NOCTTY: do not acquire a terminal. regular() then rejects both.
  auto file = open_beneath(fd_.get(), std::string(name), O_RDONLY | O_NONBLOCK | O_NOCTTY);
  if (!file) return name_error(name, "read");
  if (guard != nullptr) {
    if (auto free = guard->check_open(fd_.get(), file.get(), name); !free) return free.error();
  }
  const auto info = regular(file, name);
  if (!info) return info.error();
  return OpenFile{std::move(file), static_cast<std::size_t>(info->st_size), mtime_of(*info)};
}

Result<std::string> OpenFile::read(std::size_t offset, std::size_t most) const {
  std::string data(most, '\0');
  while (true) {
    const auto got = ::pread(fd.get(), data.data(), most, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return name_error("the file", "read");
    data.resize(static_cast<std::size_t>(got));
    return data;
  }
}

Result<File> Folder::read(std::string_view name, std::size_t max) const {
  constexpr std::size_t kPiece = 65'536;
  const auto file = open_file(name);
  if (!file) return file.error();
  File content{{}, file->mtime};
  while (true) {
    const auto piece = file->read(content.data.size(), kPiece);
    if (!piece) return piece.error();
    if (piece->empty()) return content;
    content.data += *piece;
    if (content.data.size() > max) {
      return fail(ErrorKind::bad_data, '"' + std::string(name) + "\" has more than " + std::to_string(max) +
                                           " bytes, which is the most that can be sent");
    }
  }
}

Result<FileWriter> Folder::create(std::string_view name, const Guard* guard) const {
  if (auto good = check_name(name, guard); !good) return good.error();
  auto [folder_path, last] = split(name);
  auto folder = open_folder(fd_.get(), folder_path, name);
  if (!folder) return folder.error();
  if (guard != nullptr) {
    if (auto free = guard->check(fd_.get(), folder->get(), last, name, Access::write); !free)
      return free.error();
  }
  if (auto good = check_target(folder->get(), last, name); !good) return good.error();
  auto file = NewFile::begin(std::move(*folder), kFileMode);
  if (!file) return name_error(name, "write");
  return FileWriter(std::string(name), std::move(*file), std::move(last));
}

Result<void> FileWriter::append(std::string_view data) {
  if (!file_.append(data)) return name_error(name_, "write");
  return {};
}

Result<void> FileWriter::commit(std::optional<Time> mtime) {
  if (mtime) {
    const auto ms = to_unix_ms(*mtime);
    const timespec at{static_cast<time_t>(ms / 1000), static_cast<long>(ms % 1000) * 1'000'000};
    const timespec times[] = {at, at};
    if (::futimens(file_.fd(), times) != 0) return name_error(name_, "set the time of");
  }
  if (!file_.commit(last_, IfExists::replace)) return name_error(name_, "write");
  return {};
}

Result<void> Folder::write(std::string_view name, std::string_view data, std::optional<Time> mtime,
                           const Guard* guard) const {
  auto writer = create(name, guard);
  if (!writer) return writer.error();
  if (auto written = writer->append(data); !written) return written;
  return writer->commit(mtime);
}

Result<void> Folder::remove(std::string_view name, const Guard* guard) const {
  if (auto good = check_name(name, guard); !good) return good.error();
  const auto [folder_path, last] = split(name);
  const auto folder = open_beneath(fd_.get(), folder_path, O_RDONLY | O_DIRECTORY);
  if (!folder) {
    if (errno == ENOENT) return {};
    return name_error(name, "remove");
  }
  if (guard != nullptr) {
    if (auto free = guard->check(fd_.get(), folder.get(), last, name, Access::write); !free) return free;
  }
  if (auto good = check_target(folder.get(), last, name); !good) return good;
  if (::unlinkat(folder.get(), last.c_str(), 0) != 0 && errno != ENOENT) return name_error(name, "remove");
  ::fsync(folder.get());
  return {};
}

}  // namespace smaster::files
