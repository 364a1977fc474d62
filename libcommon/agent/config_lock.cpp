#include "agent/config_lock.hpp"

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace smaster::agent {

Result<ConfigLock> ConfigLock::take(const std::filesystem::path& config) {
  Fd fd(::open(config.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) {
    return fail(ErrorKind::bad_config, "cannot open " + config.string() + ": " + std::strerror(errno));
  }
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) == 0) return ConfigLock(std::move(fd));
  if (errno != EWOULDBLOCK) {
    return fail(ErrorKind::bad_config, "cannot lock " + config.string() + ": " + std::strerror(errno));
  }
  return fail(ErrorKind::timed_out,
              "another agent, or the bot of one that was killed, uses " + config.string());
}

}  // namespace smaster::agent
