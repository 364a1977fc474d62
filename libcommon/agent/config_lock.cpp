#include "agent/config_lock.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace smaster::agent {

Result<ConfigLock> ConfigLock::take(const std::filesystem::path& config) {
  const int fd = ::open(config.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    return fail(ErrorKind::bad_config, "cannot open " + config.string() + ": " + std::strerror(errno));
  }
  ConfigLock lock(fd);
  if (::flock(fd, LOCK_EX | LOCK_NB) == 0) return lock;
  if (errno != EWOULDBLOCK) {
    return fail(ErrorKind::bad_config, "cannot lock " + config.string() + ": " + std::strerror(errno));
  }
  return fail(ErrorKind::timed_out,
              "another agent, or the bot of one that was killed, uses " + config.string());
}

ConfigLock::ConfigLock(ConfigLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

ConfigLock::~ConfigLock() {
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace smaster::agent
