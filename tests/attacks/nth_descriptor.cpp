// To be preloaded: the Nth call that makes a descriptor fails with EMFILE, as at the limit of descriptors.
// Set by FAIL_NTH (from 1) and FAIL_IN (the program's name; its children are left alone). Says on stderr what
// failed.
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

long nth = 0;
std::atomic<long> calls = 0;

__attribute__((constructor)) void begin() {
  const char* const program = std::getenv("FAIL_IN");
  const char* const number = std::getenv("FAIL_NTH");
  if (program == nullptr || number == nullptr) return;
  char self[4096];
  const auto size = readlink("/proc/self/exe", self, sizeof self - 1);
  self[size < 0 ? 0 : size] = '\0';
  const char* const name = std::strrchr(self, '/');
  if (name == nullptr || std::strcmp(name + 1, program) != 0) return;
  unsetenv("LD_PRELOAD");
  nth = std::atol(number);
}

/// True if this call is the one that fails.
bool fails(const char* call) {
  if (nth == 0 || ++calls != nth) return false;
  char text[64];
  const int size = std::snprintf(text, sizeof text, "[no descriptor: %s]\n", call);
  (void)!write(2, text, static_cast<std::size_t>(size));
  errno = EMFILE;
  return true;
}

template <class Function>
Function next(Function, const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}

mode_t mode_of(int flags, va_list list) {
  return (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(list, mode_t) : 0;
}

}  // namespace

extern "C" {

#define SIMPLE(name, parameters, arguments) \
  int name parameters { return fails(#name) ? -1 : next(&name, #name) arguments; }

SIMPLE(socket, (int domain, int type, int protocol), (domain, type, protocol))
SIMPLE(socketpair, (int domain, int type, int protocol, int pair[2]), (domain, type, protocol, pair))
SIMPLE(accept, (int listener, sockaddr* address, socklen_t* size), (listener, address, size))
SIMPLE(accept4, (int listener, sockaddr* address, socklen_t* size, int flags),
       (listener, address, size, flags))
SIMPLE(pipe, (int pair[2]), (pair))
SIMPLE(pipe2, (int pair[2], int flags), (pair, flags))
SIMPLE(eventfd, (unsigned value, int flags), (value, flags))
SIMPLE(timerfd_create, (int clock, int flags), (clock, flags))
SIMPLE(epoll_create1, (int flags), (flags))
SIMPLE(inotify_init1, (int flags), (flags))
SIMPLE(memfd_create, (const char* name, unsigned flags), (name, flags))
SIMPLE(dup, (int descriptor), (descriptor))

#define OPEN(name)                                                    \
  int name(const char* path, int flags, ...) {                        \
    va_list list;                                                     \
    va_start(list, flags);                                            \
    const auto mode = mode_of(flags, list);                           \
    va_end(list);                                                     \
    return fails(#name) ? -1 : next(&name, #name)(path, flags, mode); \
  }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                                          \
  int name(int folder, const char* path, int flags, ...) {                    \
    va_list list;                                                             \
    va_start(list, flags);                                                    \
    const auto mode = mode_of(flags, list);                                   \
    va_end(list);                                                             \
    return fails(#name) ? -1 : next(&name, #name)(folder, path, flags, mode); \
  }
OPENAT(openat)
OPENAT(openat64)

FILE* fopen(const char* path, const char* mode) {
  return fails("fopen") ? nullptr : next(&fopen, "fopen")(path, mode);
}
FILE* fopen64(const char* path, const char* mode) {
  return fails("fopen64") ? nullptr : next(&fopen64, "fopen64")(path, mode);
}
DIR* opendir(const char* path) { return fails("opendir") ? nullptr : next(&opendir, "opendir")(path); }

/// For pidfd_open and others that have no function of their own.
long syscall(long number, ...) noexcept {
  va_list list;
  va_start(list, number);
  long arguments[6];
  for (long& argument : arguments) argument = va_arg(list, long);
  va_end(list);
  if (number == SYS_pidfd_open && fails("pidfd_open")) return -1;
  return next(&syscall, "syscall")(number, arguments[0], arguments[1], arguments[2], arguments[3],
                                   arguments[4], arguments[5]);
}

}  // extern "C"
