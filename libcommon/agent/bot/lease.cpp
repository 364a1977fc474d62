#include "agent/bot/lease.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <new>

namespace smaster::agent {

Result<LeasePage> LeasePage::create() {
  Fd fd(::memfd_create("smaster-lease", MFD_CLOEXEC));
  if (!fd || ::ftruncate(fd.get(), sizeof(LeaseWord)) != 0) {
    return fail(ErrorKind::cannot_create,
                std::string("cannot make memory for the bot's keeper: ") + std::strerror(errno));
  }
  void* const at = ::mmap(nullptr, sizeof(LeaseWord), PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (at == MAP_FAILED) {
    return fail(ErrorKind::cannot_create,
                std::string("cannot map memory for the bot's keeper: ") + std::strerror(errno));
  }
  return LeasePage(std::move(fd), new (at) LeaseWord(kNoLimit));
}

LeasePage::~LeasePage() {
  if (word_ != nullptr) ::munmap(word_, sizeof(LeaseWord));
}

}  // namespace smaster::agent
