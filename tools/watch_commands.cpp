#include "watch_commands.hpp"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <utility>

namespace smaster::tools {
namespace {

/// Read at once, so that keys are not kept waiting by a command that prints much.
constexpr std::size_t kMostAtOnce = 256 << 10;
constexpr int kNotStarted = 127;

}  // namespace

Commands::Commands(std::string socket, Events events)
    : socket_(std::move(socket)), events_(std::move(events)) {}

Commands::~Commands() {
  while (!children_.empty()) stop(children_.begin()->first);
}

void Commands::start(int run, const std::vector<std::string>& words) {
  // The commands are beside this one: smaster-stats.
  const auto own = std::filesystem::read_symlink("/proc/self/exe");
  const auto program = (own.parent_path() / ("smaster-" + words.front())).string();
  std::vector<std::string> arguments{program, "--socket", socket_};
  arguments.insert(arguments.end(), words.begin() + 1, words.end());
  std::vector<char*> pointers;
  for (auto& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) {
    events_.output(run, std::string("cannot start ") + program + ": " + std::strerror(errno) + '\n');
    return events_.ended(run, kNotStarted);
  }
  const auto parent = ::getpid();
  const auto pid = ::fork();
  if (pid == 0) {  // only async-signal-safe functions: there are threads
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (::getppid() != parent) ::_exit(kNotStarted);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGPIPE}) std::signal(signal, SIG_DFL);
    const int nothing = ::open("/dev/null", O_RDONLY);
    ::dup2(nothing, STDIN_FILENO);
    ::dup2(ends[1], STDOUT_FILENO);
    ::dup2(ends[1], STDERR_FILENO);
    ::execv(program.c_str(), pointers.data());
    ::_exit(kNotStarted);
  }
  const int failure = errno;
  ::close(ends[1]);
  if (pid < 0) {
    ::close(ends[0]);
    events_.output(run, std::string("cannot start ") + program + ": " + std::strerror(failure) + '\n');
    return events_.ended(run, kNotStarted);
  }
  ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
  children_[run] = {pid, ends[0]};
}

int Commands::end(const Child& child) {
  ::close(child.file);
  int status = 0;
  while (::waitpid(child.pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void Commands::stop(int run) {
  const auto child = children_.extract(run);
  if (child.empty()) return;
  ::kill(child.mapped().pid, SIGKILL);  // they only read, or wait: the server goes on with what it was told
  (void)end(child.mapped());
}

void Commands::wait_for(std::vector<pollfd>& files) const {
  for (const auto& [run, child] : children_) files.push_back({child.file, POLLIN, 0});
}

void Commands::read() {
  const auto children = children_;
  for (const auto& [run, child] : children) {
    char bytes[65'536];
    std::size_t sum = 0;
    while (sum < kMostAtOnce) {
      const auto size = ::read(child.file, bytes, sizeof bytes);
      if (size > 0) {
        sum += static_cast<std::size_t>(size);
        events_.output(run, {bytes, static_cast<std::size_t>(size)});
        continue;
      }
      if (size < 0 && (errno == EAGAIN || errno == EINTR)) break;
      children_.erase(run);
      const int status = end(child);
      if (status == kNotStarted) {
        events_.output(run, "it cannot be started: install all of smaster's programs\n");
      }
      events_.ended(run, status);
      break;
    }
  }
}

}  // namespace smaster::tools
