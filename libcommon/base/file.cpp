#include "base/file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

namespace smaster {
namespace {

Error system_error(const std::string& what, const std::filesystem::path& path, int code) {
  const auto kind = code == ENOENT ? ErrorKind::not_found
                                   : (code == EACCES || code == EPERM ? ErrorKind::not_permitted
                                                                      : ErrorKind::cannot_create);
  return fail(kind, "cannot " + what + " " + path.string() + ": " + std::strerror(code));
}

/// Closes its descriptor when it goes.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_;
};

Result<void> write_all(int fd, std::string_view data, const std::filesystem::path& path) {
  while (!data.empty()) {
    const auto written = ::write(fd, data.data(), data.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return system_error("write", path, errno);
    data.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

Result<void> sync_folder(const std::filesystem::path& folder) {
  const Descriptor fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.get() < 0 || ::fsync(fd.get()) != 0) return system_error("sync folder", folder, errno);
  return {};
}

}  // namespace

Result<std::string> read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return system_error("read", path, errno != 0 ? errno : EIO);
  std::string data{std::istreambuf_iterator<char>(in), {}};
  if (in.bad()) return system_error("read", path, EIO);
  return data;
}

Result<void> write_file(const std::filesystem::path& path, std::string_view data, mode_t mode,
                        IfExists if_exists) {
  const auto folder = path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
  std::string temporary = path.string() + ".XXXXXX";
  const Descriptor fd(::mkostemp(temporary.data(), O_CLOEXEC));
  if (fd.get() < 0) return system_error("create a file in", folder, errno);

  const auto steps = [&]() -> Result<void> {
    if (::fchmod(fd.get(), mode) != 0) return system_error("set the rights of", temporary, errno);
    if (auto written = write_all(fd.get(), data, temporary); !written) return written;
    if (::fsync(fd.get()) != 0) return system_error("sync", temporary, errno);
    const unsigned flags = if_exists == IfExists::refuse ? RENAME_NOREPLACE : 0;
    if (::renameat2(AT_FDCWD, temporary.c_str(), AT_FDCWD, path.c_str(), flags) != 0) {
      return system_error("write", path, errno);
    }
    return sync_folder(folder);
  };
  auto result = steps();
  if (!result) ::unlink(temporary.c_str());
  return result;
}

Result<void> make_private_folder(const std::filesystem::path& path) {
  std::error_code error;
  auto folder = std::filesystem::absolute(path, error).lexically_normal();
  if (!folder.has_filename()) folder = folder.parent_path();  // "dir/" names the same folder as "dir"
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
