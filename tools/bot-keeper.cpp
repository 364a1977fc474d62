// bot-keeper: stands between an agent and one bot, so that the bot and all that it starts are gone before
// anybody hears that it ended, and go when the agent goes, however that ends. It is no command: smaster agent
// starts it.
//
//   bot-keeper GRACE_MS PREFIX COMMAND…
//
// Descriptor 3 is the bot's channel, 4 the agent: `stop` or its end asks the bot to end, and kills it
// GRACE_MS later; the answers are the lines `started PID` or `failed ERRNO`, then `exit CODE` or `signal N`
// once all is gone. Further ones up to kLastFd are only held: the agent's locks. With a PREFIX, each line of
// the bot's output gets it.
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

constexpr int kChannelFd = 3;
constexpr int kAgentFd = 4;
constexpr int kLastFd = 5;
/// What a dead bot's other processes get to end by themselves.
constexpr std::chrono::seconds kLeftoverGrace{5};
/// How often killed processes are looked for again.
constexpr std::chrono::milliseconds kLookAgain{50};
/// How long the last output may take to be written.
constexpr std::chrono::seconds kOutputGrace{1};

void tell_agent(const std::string& line) {
  // An agent that has gone hears nothing, and that is all right.
  [[maybe_unused]] const auto written = ::write(kAgentFd, line.data(), line.size());
}

/// Copies a pipe to a descriptor with `prefix` before each line.
void copy_lines(int from, int to, const std::string& prefix) {
  std::string pending;
  char buffer[8192];
  const auto put = [to](std::string_view text) {
    while (!text.empty()) {
      const auto written = ::write(to, text.data(), text.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return;
      text.remove_prefix(static_cast<std::size_t>(written));
    }
  };
  for (ssize_t got = 0; (got = ::read(from, buffer, sizeof buffer)) != 0;) {
    if (got < 0) {
      if (errno == EINTR) continue;
      break;
    }
    pending.append(buffer, static_cast<std::size_t>(got));
    std::string out;
    std::size_t begin = 0;
    for (auto end = pending.find('\n'); end != std::string::npos; end = pending.find('\n', begin)) {
      out += prefix;
      out.append(pending, begin, end + 1 - begin);
      begin = end + 1;
    }
    pending.erase(0, begin);
    if (pending.size() > 65'536) {  // a line without end is passed on in pieces
      out += prefix + pending + '\n';
      pending.clear();
    }
    put(out);
  }
  if (!pending.empty()) put(prefix + pending + '\n');
}

struct Output {
  int bot_end = -1;
  std::thread copier;
};

Output prefixed(int to, const std::string& prefix) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return {};
  return {ends[1], std::thread(copy_lines, ends[0], to, prefix)};
}

/// In the new process: becomes the bot. Says through `report` why it cannot.
[[noreturn]] void become_bot(char** command, const Output& out, const Output& error, int report,
                             pid_t keeper) {
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGPIPE}) std::signal(signal, SIG_DFL);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // the last resort, should the keeper be killed
  if (::getppid() != keeper) ::_exit(127);
  ::setsid();
  if (out.bot_end >= 0) ::dup2(out.bot_end, STDOUT_FILENO);
  if (error.bot_end >= 0) ::dup2(error.bot_end, STDERR_FILENO);
  ::execvp(command[0], command);
  const int why = errno;
  [[maybe_unused]] const auto written = ::write(report, &why, sizeof why);
  ::_exit(127);
}

/// Our children: what is left of the bot, since orphans of its processes become ours.
std::vector<pid_t> children() {
  std::vector<pid_t> found;
  DIR* const proc = ::opendir("/proc");
  if (proc == nullptr) return found;
  while (const auto* const entry = ::readdir(proc)) {
    const auto pid = static_cast<pid_t>(std::strtol(entry->d_name, nullptr, 10));
    if (pid <= 0) continue;
    std::ifstream file("/proc/" + std::string(entry->d_name) + "/stat");
    std::string stat;
    std::getline(file, stat, '\0');
    const auto end = stat.rfind(')');
    if (end != std::string::npos && end + 4 < stat.size() &&
        std::strtol(stat.c_str() + end + 4, nullptr, 10) == ::getpid()) {
      found.push_back(pid);
    }
  }
  ::closedir(proc);
  return found;
}

class Keeper {
 public:
  Keeper(pid_t bot, std::chrono::milliseconds grace) : bot_(bot), grace_(grace) {
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    child_signals_ = ::signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
  }

  /// Until nothing is left of the bot. Returns its wait status.
  int run() {
    reap();
    while (!gone_) {
      pollfd wait[] = {{agent_gone_ ? -1 : kAgentFd, POLLIN, 0}, {child_signals_, POLLIN, 0}};
      ::poll(wait, 2, timeout());
      if (wait[0].revents != 0) hear_agent();
      if (wait[1].revents != 0) {
        signalfd_siginfo info;
        while (::read(child_signals_, &info, sizeof info) > 0) {
        }
      }
      reap();
      if (kill_at_ && Clock::now() >= *kill_at_) kill_all();
    }
    return status_;
  }

 private:
  int timeout() const {
    if (!kill_at_) return -1;
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(*kill_at_ - Clock::now()).count();
    return left < 0 ? 0 : static_cast<int>(left) + 1;
  }

  void hear_agent() {
    char buffer[64];
    const auto got = ::read(kAgentFd, buffer, sizeof buffer);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) return;
    agent_gone_ = got <= 0;
    // A second `stop` is from somebody who will not wait.
    if (got > 0 && stopping_) return kill_all();
    stop(grace_);
  }

  void stop(std::chrono::milliseconds grace) {
    if (stopping_) return;
    stopping_ = true;
    signal_all(SIGTERM);
    signal_all(SIGCONT);
    kill_at_ = Clock::now() + grace;
  }

  void kill_all() {
    signal_all(SIGKILL);
    // What left the group is a child of ours, now or once its parent is dead.
    for (const auto pid : children()) ::kill(pid, SIGKILL);
    kill_at_ = Clock::now() + kLookAgain;
  }

  void signal_all(int signal) {
    if (::kill(-bot_, signal) != 0 && bot_alive_) ::kill(bot_, signal);
    if (!bot_alive_) {
      for (const auto pid : children()) ::kill(pid, signal);
    }
  }

  void reap() {
    int status = 0;
    pid_t pid = 0;
    while ((pid = ::waitpid(-1, &status, WNOHANG)) > 0) {
      if (pid != bot_) continue;
      bot_alive_ = false;
      status_ = status;
      stopping_ = false;  // what it left behind is asked once more, and gets less time
      stop(std::min<std::chrono::milliseconds>(grace_, kLeftoverGrace));
    }
    gone_ = pid < 0 && errno == ECHILD;
  }

  const pid_t bot_;
  const std::chrono::milliseconds grace_;
  int child_signals_ = -1;
  int status_ = 0;
  bool bot_alive_ = true;
  bool agent_gone_ = false;
  bool stopping_ = false;
  bool gone_ = false;
  std::optional<Clock::time_point> kill_at_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) return 64;
  const std::chrono::milliseconds grace{std::strtoll(argv[1], nullptr, 10)};
  const std::string prefix = argv[2];

  // Only the agent and the bot decide when this ends.
  sigset_t blocked;
  sigemptyset(&blocked);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGCHLD}) sigaddset(&blocked, signal);
  ::sigprocmask(SIG_BLOCK, &blocked, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  ::close_range(kLastFd + 1, ~0U, 0);
  for (int fd = kAgentFd; fd <= kLastFd; ++fd) ::fcntl(fd, F_SETFD, FD_CLOEXEC);

  Output out;
  Output error;
  if (!prefix.empty()) {
    out = prefixed(STDOUT_FILENO, prefix);
    error = prefixed(STDERR_FILENO, prefix);
  }
  int report[2];
  if (::pipe2(report, O_CLOEXEC) != 0) return 71;
  const pid_t keeper = ::getpid();
  const pid_t bot = ::fork();
  if (bot == 0) become_bot(argv + 3, out, error, report[1], keeper);
  ::close(report[1]);
  ::close(kChannelFd);
  for (const auto* const output : {&out, &error}) {
    if (output->bot_end >= 0) ::close(output->bot_end);
  }
  int why = bot < 0 ? errno : 0;
  if (bot < 0 || ::read(report[0], &why, sizeof why) > 0) {
    tell_agent("failed " + std::to_string(why) + '\n');
    ::_exit(127);
  }
  tell_agent("started " + std::to_string(bot) + '\n');

  const int status = Keeper(bot, grace).run();
  const auto finish = [status] {
    tell_agent(WIFSIGNALED(status) ? "signal " + std::to_string(WTERMSIG(status)) + '\n'
                                   : "exit " + std::to_string(WEXITSTATUS(status)) + '\n');
    ::_exit(0);
  };
  // All writers are gone, so the copiers end; unless nobody takes what they write.
  std::thread([finish] {
    std::this_thread::sleep_for(kOutputGrace);
    finish();
  }).detach();
  for (auto* const output : {&out, &error}) {
    if (output->copier.joinable()) output->copier.join();
  }
  finish();
}
