#include "server/process/serve.hpp"

#include <fcntl.h>
#include <malloc.h>
#include <sys/file.h>
#include <sys/resource.h>

#include <csignal>
#include <cstring>
#include <utility>

#include "base/file.hpp"
#include "server/keys/key_files.hpp"
#include "server/process/server.hpp"
#include "server/process/stores.hpp"
#include "server/requests/mail.hpp"

namespace smaster::server {
namespace {

/// Locks the state folder against a second server; the lock ends with the process.
Result<int> lock_folder(const std::filesystem::path& folder) {
  const auto path = (folder / "lock").string();
  int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0 && (errno == EROFS || errno == ENOSPC)) fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return fail(ErrorKind::cannot_create, "cannot open " + path + ": " + std::strerror(errno));
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    ::close(fd);
    return fail(ErrorKind::cannot_create, "another server uses the state folder " + folder.string() +
                                              "; stop it, or give this one another state_dir");
  }
  return fd;
}

/// Raises the limit of descriptors to its maximum: every shard needs one.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

/// glibc merges all free fastbin chunks in one go, within any large allocation: after thousands of shards'
/// small blocks were freed, such a call lasts 6 ms. Without fastbins chunks are merged one by one as they are
/// freed; the thread's cache still keeps some of each size.
void use_no_fastbins() {
#ifdef M_MXFAST
  ::mallopt(M_MXFAST, 0);
#endif
}

}  // namespace

Result<Ended> serve(ServeOptions options) {
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);  // exceeding the file size limit becomes an error of the write
  raise_descriptor_limit();
  use_no_fastbins();
  const auto folder = options.settings.state_dir;
  if (auto made = make_private_folder(folder); !made) return made.error();
  const auto lock = lock_folder(folder);
  if (!lock) return lock.error();
  // Configs whose mail was not finished when the last server ended.
  std::error_code ignored;
  std::filesystem::remove_all(folder / kMailFolder, ignored);
  auto sockets = inherited_sockets();
  bool hold_back = false;
  while (true) {
    auto signer = load_keys(folder);
    if (!signer) return signer.error();
    auto stores = open_stores(options.settings);
    if (!stores) return stores.error();
    Server server(options, std::move(*stores), std::move(*signer));
    auto ended = server.run(std::move(sockets), hold_back);
    if (!ended || !ended->again) return ended;
    hold_back = ended->handed_over;
    if (auto fresh = options.reload()) options.settings = std::move(*fresh);
    sockets = std::move(*ended->restart);
  }
}

}  // namespace smaster::server
