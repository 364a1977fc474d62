#include "server/process/file_watch.hpp"

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <optional>
#include <utility>

#include "base/fd.hpp"

namespace smaster::server {
namespace {

constexpr Millis kSettle{100};
constexpr Millis kUnreadable{1'000};  ///< until a file that cannot be opened is tried again
/// Not IN_MODIFY: a file that is still being written is not looked at yet, and databases are modified all the
/// time.
constexpr std::uint32_t kEvents = IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_ATTRIB;

std::optional<std::string> why_unreadable(const std::filesystem::path& file) {
  const Fd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat info {};
  if (!fd || ::fstat(fd.get(), &info) != 0) return std::string("it cannot be read: ") + std::strerror(errno);
  if (S_ISFIFO(info.st_mode)) return "it is a pipe now, not a file";
  return std::nullopt;
}

}  // namespace

FileWatch::FileWatch(net::asio::io_context& context, OnChange on_change)
    : on_change_(std::move(on_change)), events_(context.get_executor()), settle_(context.get_executor()) {
  const int fd = ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (fd < 0) {
    spdlog::warn("edits are not noticed by themselves ({}); SIGHUP reads the settings again",
                 std::strerror(errno));
    return;
  }
  events_.assign(fd);
  wait();
}

FileWatch::State FileWatch::look(const std::filesystem::path& file) {
  struct stat info {};
  if (::stat(file.c_str(), &info) != 0) return {};
  return {info.st_dev, info.st_ino, info.st_size, info.st_mtim.tv_sec * 1'000'000'000 + info.st_mtim.tv_nsec};
}

void FileWatch::watch(const std::vector<std::filesystem::path>& files) {
  if (!events_.is_open()) return;
  std::map<std::filesystem::path, State> fresh;
  for (const auto& file : files) {
    const auto known = files_.find(file);
    fresh.emplace(file, known != files_.end() ? known->second : look(file));
  }
  files_ = std::move(fresh);
  for (const int folder : std::exchange(folders_, {})) ::inotify_rm_watch(events_.native_handle(), folder);
  std::set<std::filesystem::path> folders;
  for (const auto& [file, state] : files_) folders.insert(file.has_parent_path() ? file.parent_path() : ".");
  for (const auto& folder : folders) {
    const int id = ::inotify_add_watch(events_.native_handle(), folder.c_str(), kEvents);
    if (id >= 0) folders_.push_back(id);
    if (id < 0)
      spdlog::warn("edits in {} are not noticed by themselves: {}", folder.string(), std::strerror(errno));
  }
}

void FileWatch::wait() {
  events_.async_read_some(net::asio::buffer(buffer_), [this](boost::system::error_code error, std::size_t) {
    if (error || !events_.is_open()) return;
    // The event's file name is ignored: a symbolic link may point to the file from elsewhere.
    look_after(kSettle);
    wait();
  });
}

void FileWatch::look_after(Millis delay) {
  if (std::exchange(settling_, true)) return;
  settle_.expires_after(delay);
  settle_.async_wait([this](boost::system::error_code cancelled) {
    settling_ = false;
    if (!cancelled && events_.is_open()) look_at_all();  // after `stop` it may have been on its way
  });
}

void FileWatch::look_at_all() {
  std::vector<std::filesystem::path> changed;
  std::set<std::filesystem::path> unreadable;
  for (auto& [file, state] : files_) {
    const auto now = look(file);
    // A missing file is about to be replaced.
    if (now == state || now == State{}) continue;
    if (const auto error = why_unreadable(file)) {  // such as no free descriptor: not an edit to be forgotten
      if (!unreadable_.contains(file)) spdlog::warn("{} was edited, but {}", file.string(), *error);
      unreadable.insert(file);
      continue;
    }
    state = now;
    changed.push_back(file);
  }
  unreadable_ = std::move(unreadable);
  if (!unreadable_.empty()) look_after(kUnreadable);
  for (const auto& file : changed) on_change_(file);
}

void FileWatch::stop() {
  boost::system::error_code ignored;
  events_.close(ignored);
  settle_.cancel();
}

}  // namespace smaster::server
