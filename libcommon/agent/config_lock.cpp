#include "agent/config_lock.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/file.hpp"
#include "base/text.hpp"
#include "crypto/keys.hpp"

namespace smaster::agent {
namespace {

constexpr std::size_t kRandomBytes = 16;

/// Identifies a file while its file system is mounted. A copy has another id.
std::string file_id(int fd) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return {};
  return std::to_string(info.st_dev) + '-' + std::to_string(info.st_ino);
}

/// The random id stored in the lock file. The file id is stored with it, so that a copied lock file gets a
/// new id. Empty if it cannot be stored.
std::string stored_instance(int fd) {
  const auto own = file_id(fd);
  std::array<char, 256> buffer{};
  const auto got = ::pread(fd, buffer.data(), buffer.size(), 0);
  const std::string_view text(buffer.data(), got > 0 ? static_cast<std::size_t>(got) : 0);
  const auto space = text.find(' ');
  if (space != std::string_view::npos && space > 0 && trim(text.substr(space + 1)) == own) {
    return std::string(text.substr(0, space));
  }
  auto instance = crypto::random_token(kRandomBytes);
  const auto line = instance + ' ' + own + '\n';
  const bool written = ::ftruncate(fd, 0) == 0 &&
                       ::pwrite(fd, line.data(), line.size(), 0) == static_cast<ssize_t>(line.size()) &&
                       ::fdatasync(fd) == 0;
  return written ? instance : std::string();
}

std::string boot_id() {
  const auto text = read_file("/proc/sys/kernel/random/boot_id");
  return text ? std::string(trim(*text)) : std::string();
}

std::string machine_name() {
  std::array<char, 65> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

/// Locks the file without waiting; nullopt on success.
std::optional<Error> lock(const Fd& fd, const std::filesystem::path& file) {
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) == 0) return std::nullopt;
  if (errno == EWOULDBLOCK) {
    return fail(ErrorKind::timed_out,
                "another agent, or the bot of one that was killed, uses " + file.string());
  }
  return fail(ErrorKind::bad_config, "cannot lock " + file.string() + ": " + std::strerror(errno));
}

}  // namespace

ConfigLock::ConfigLock(Fd config, Fd lock)
    : config_(std::move(config)),
      lock_(std::move(lock)),
      identity_{lock_ ? stored_instance(lock_.get()) : "", boot_id(), machine_name()} {
  if (identity_.instance.empty()) identity_.instance = file_id(config_.get());
}

Result<ConfigLock> ConfigLock::take(const std::filesystem::path& config) {
  Fd fd(::open(config.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) {
    return fail(ErrorKind::bad_config, "cannot open " + config.string() + ": " + std::strerror(errno));
  }
  if (auto error = lock(fd, config)) return *error;
  Fd beside(::open((config.string() + ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (beside) {
    if (auto error = lock(beside, config)) return *error;
  }
  return ConfigLock(std::move(fd), std::move(beside));
}

}  // namespace smaster::agent
