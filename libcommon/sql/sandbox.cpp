#include "sql/sandbox.hpp"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <ctime>
#include <initializer_list>
#include <vector>

namespace smaster::sql {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
// Sanitizers need more address space than any limit allows, and stderr for reports.
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

#if defined(__x86_64__)
constexpr unsigned kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr unsigned kArchitecture = AUDIT_ARCH_AARCH64;
#else
#error "sandbox.cpp needs this machine's AUDIT_ARCH_ value"
#endif

/// A list of allowed system calls as a kernel program (seccomp(2)).
class SyscallFilter {
 public:
  SyscallFilter() {
    load(offsetof(seccomp_data, arch));
    add(BPF_JMP | BPF_JEQ | BPF_K, kArchitecture, 1, 0);
    add(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    load(offsetof(seccomp_data, nr));
  }

  void allow(std::initializer_list<int> calls) {
    for (const int call : calls) {
      add(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(call), 0, 1);
      add(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    }
  }

  /// Allows a call only with one of these values in argument `argument`.
  void allow(int call, unsigned argument, std::initializer_list<unsigned> values) {
    add(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(call), 0,
        static_cast<unsigned char>(2 * values.size() + 2));
    load_argument(argument);
    for (const auto value : values) {
      add(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1);
      add(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    }
    add(BPF_RET | BPF_K, kRefuse);
  }

  /// Allows a call only without these bits in argument `argument`.
  void allow_without(int call, unsigned argument, unsigned bits) {
    add(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(call), 0, 4);
    load_argument(argument);
    add(BPF_JMP | BPF_JSET | BPF_K, bits, 1, 0);
    add(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    add(BPF_RET | BPF_K, kRefuse);
  }

  /// Rejects all other calls, from now on.
  bool install() {
    add(BPF_RET | BPF_K, kRefuse);
    const sock_fprog program{static_cast<unsigned short>(code_.size()), code_.data()};
    return ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
  }

 private:
  static constexpr unsigned kRefuse = SECCOMP_RET_ERRNO | EPERM;

  void add(int code, unsigned value, unsigned char if_true = 0, unsigned char if_false = 0) {
    code_.push_back({static_cast<unsigned short>(code), if_true, if_false, value});
  }
  void load(std::size_t offset) { add(BPF_LD | BPF_W | BPF_ABS, static_cast<unsigned>(offset)); }
  /// Loads the lower 32 bits: the kernel ignores the rest of the arguments checked here.
  void load_argument(unsigned argument) {
    load(offsetof(seccomp_data, args) + argument * sizeof(std::uint64_t));
  }

  std::vector<sock_filter> code_;
};

bool filter_calls(bool remote) {
  SyscallFilter filter;
  // Memory, time, and open descriptors.
  filter.allow(
      {SYS_brk,           SYS_munmap,        SYS_mremap,          SYS_madvise,         SYS_futex,
       SYS_clock_gettime, SYS_clock_getres,  SYS_clock_nanosleep, SYS_nanosleep,       SYS_gettimeofday,
       SYS_getrandom,     SYS_getpid,        SYS_gettid,          SYS_getuid,          SYS_geteuid,
       SYS_getgid,        SYS_getegid,       SYS_sched_yield,     SYS_rt_sigaction,    SYS_rt_sigprocmask,
       SYS_rt_sigreturn,  SYS_rt_sigpending, SYS_sigaltstack,     SYS_restart_syscall, SYS_exit,
       SYS_exit_group,    SYS_read,          SYS_write,           SYS_readv,           SYS_writev,
       SYS_pread64,       SYS_pwrite64,      SYS_lseek,           SYS_close,           SYS_fstat,
       SYS_newfstatat,    SYS_fsync,         SYS_fdatasync,       SYS_ftruncate,       SYS_fallocate,
       SYS_ppoll});
#ifdef SYS_poll
  filter.allow({SYS_poll, SYS_time});
#endif
  filter.allow_without(SYS_mmap, 2, PROT_EXEC);
  filter.allow_without(SYS_mprotect, 2, PROT_EXEC);
  // Locks only: other commands of fcntl could send signals.
  filter.allow(SYS_fcntl, 1,
               {F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_GETLK, F_SETLK, F_SETLKW, F_OFD_GETLK, F_OFD_SETLK,
                F_OFD_SETLKW});
  if (remote) {
    filter.allow({SYS_recvfrom, SYS_recvmsg, SYS_sendto, SYS_sendmsg, SYS_shutdown, SYS_getsockopt,
                  SYS_setsockopt, SYS_getpeername, SYS_getsockname});
  }
  return filter.install();
}

/// Forbids access to files and TCP ports by landlock(7), as far as this kernel supports it. Debian 12's
/// headers lack the newer versions.
bool forbid_paths() {
  struct {
    std::uint64_t files, ports, scopes;
  } handled{};
  const auto version =
      ::syscall(SYS_landlock_create_ruleset, nullptr, 0, 1U);  // LANDLOCK_CREATE_RULESET_VERSION
  if (version < 1) return false;
  handled.files = (1U << 13) - 1;               // version 1: execute, write, read, remove, make
  if (version >= 2) handled.files |= 1U << 13;  // refer
  if (version >= 3) handled.files |= 1U << 14;  // truncate
  if (version >= 4) handled.ports = 3;          // bind, connect
  if (version >= 5) handled.files |= 1U << 15;  // device ioctls
  if (version >= 6) handled.scopes = 3;         // abstract Unix sockets, signals
  const std::size_t size = version >= 6 ? 24 : version >= 4 ? 16 : 8;
  const auto rules = static_cast<int>(::syscall(SYS_landlock_create_ruleset, &handled, size, 0U));
  if (rules < 0) return false;
  const bool done = ::syscall(SYS_landlock_restrict_self, rules, 0U) == 0;
  ::close(rules);
  return done;
}

void drop_capabilities() {
  for (unsigned long capability = 0; ::prctl(PR_CAPBSET_READ, capability) >= 0; ++capability)
    ::prctl(PR_CAPBSET_DROP, capability);
  ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {};
  ::syscall(SYS_capset, &header, none);
}

void limit_to(int resource, std::uint64_t most) {
  const rlimit limit{most, most};
  ::setrlimit(static_cast<__rlimit_resource_t>(resource), &limit);
}

void silence() {
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  if (null < 0) return;
  for (const int output : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::dup2(null, output);
  ::close(null);
}

}  // namespace

void limit_memory(std::uint64_t bytes) {
  constexpr std::uint64_t kLibraries = 768u << 20;  // address space beyond the data limit
  if (kSanitized) return;
  limit_to(RLIMIT_DATA, bytes);
  limit_to(RLIMIT_AS, bytes + kLibraries);
}

std::string contain(const Containment& containment) {
  constexpr std::uint64_t kDescriptors = 32;
  ::tzset();  // reads the time zone file, which cannot be opened later
  if (!kSanitized) silence();
  limit_to(RLIMIT_NOFILE, kDescriptors);
  limit_to(RLIMIT_NPROC, 0);
  limit_to(RLIMIT_CORE, 0);
  if (containment.file_size > 0) limit_to(RLIMIT_FSIZE, containment.file_size);
  ::prctl(PR_SET_DUMPABLE, 0);
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  drop_capabilities();
  std::string missing;
  if (!forbid_paths()) missing = "Landlock";
  if (!filter_calls(containment.remote))
    missing += missing.empty() ? "seccomp filters" : " and seccomp filters";
  return missing;
}

}  // namespace smaster::sql
