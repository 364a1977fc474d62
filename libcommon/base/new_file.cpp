#include "base/new_file.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>

#include <atomic>
#include <cerrno>
#include <memory>

#include "base/text.hpp"

namespace smaster {
namespace {

constexpr std::string_view kPrefix = ".smaster-";
constexpr std::string_view kSuffix = ".tmp";

std::string temporary_name() {
  static std::atomic<unsigned> counter{0};
  return std::string(kPrefix) + std::to_string(::getpid()) + '-' + std::to_string(counter++) +
         std::string(kSuffix);
}

/// True if it is a temporary name whose process does not exist any more.
bool is_left_over(std::string_view name) {
  if (!name.starts_with(kPrefix) || !name.ends_with(kSuffix)) return false;
  name.remove_prefix(kPrefix.size());
  const auto pid = parse_int<pid_t>(name.substr(0, name.find('-')));
  return pid && *pid > 0 && ::kill(*pid, 0) != 0 && errno == ESRCH;
}

/// Removes temporary files left behind by killed processes.
void remove_left_overs(int folder) {
  const std::unique_ptr<DIR, int (*)(DIR*)> entries(::fdopendir(::openat(folder, ".", O_RDONLY | O_CLOEXEC)),
                                                    ::closedir);
  if (!entries) return;
  while (const auto* const entry = ::readdir(entries.get())) {  // NOLINT(concurrency-mt-unsafe): its own DIR
    if (is_left_over(entry->d_name)) ::unlinkat(folder, entry->d_name, 0);
  }
}

}  // namespace

std::optional<NewFile> NewFile::begin(Fd folder, mode_t mode) {
  std::string temporary;
  Fd file(::openat(folder.get(), ".", O_WRONLY | O_TMPFILE | O_CLOEXEC, mode));
  // Some file systems do not support O_TMPFILE (open(2)).
  if (!file && (errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT)) {
    temporary = temporary_name();
    file = Fd(::openat(folder.get(), temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                       mode));
  }
  if (!file) return std::nullopt;
  if (::fchmod(file.get(), mode) != 0) return std::nullopt;
  return NewFile(std::move(folder), std::move(file), std::move(temporary));
}

NewFile::~NewFile() {
  const int error = errno;
  if (folder_ && !temporary_.empty()) ::unlinkat(folder_.get(), temporary_.c_str(), 0);
  errno = error;
}

bool NewFile::append(std::string_view data) {
  while (!data.empty()) {
    const auto written = ::write(file_.get(), data.data(), data.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    data.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

bool NewFile::name_it(const std::string& name) {
  const auto self = "/proc/self/fd/" + std::to_string(file_.get());
  return ::linkat(AT_FDCWD, self.c_str(), folder_.get(), name.c_str(), AT_SYMLINK_FOLLOW) == 0;
}

bool NewFile::commit(const std::string& name, IfExists if_exists) {
  if (::fsync(file_.get()) != 0) return false;
  if (temporary_.empty()) {
    // linkat() fails if the target exists; replacing it needs a temporary name and rename().
    if (name_it(name)) return ::fsync(folder_.get()) == 0;
    if (errno != EEXIST || if_exists == IfExists::refuse) return false;
    auto temporary = temporary_name();
    if (!name_it(temporary)) return false;
    temporary_ = std::move(temporary);
  }
  remove_left_overs(folder_.get());
  const unsigned flags = if_exists == IfExists::refuse ? RENAME_NOREPLACE : 0;
  if (::renameat2(folder_.get(), temporary_.c_str(), folder_.get(), name.c_str(), flags) != 0) return false;
  temporary_.clear();
  return ::fsync(folder_.get()) == 0;
}

}  // namespace smaster
