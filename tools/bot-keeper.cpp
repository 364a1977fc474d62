// bot-keeper: a process between an agent and one bot. It makes sure that all processes of the bot are gone
// before their end is reported, and that they are stopped when the agent ends, for whatever reason. Not a
// command: started by smaster agent.
//
//   bot-keeper GRACE_MS PREFIX COMMAND…
//
// A PREFIX that is not empty is put before each line of the bot's output. Descriptors:
//   3  the bot's channel
//   4  the agent. In: `stop` sends SIGTERM to the bot and after GRACE_MS SIGKILL; end of file does the same;
//      a second `stop` kills at once; `look` wakes the keeper to read the lease again. Out, one per line:
//      `started PID` or `failed ERRNO`; `ended exit CODE` or `ended signal N` when the bot itself has ended;
//      the same without `ended` when all its processes are gone
//   5  the agent's config lock, only kept open
//   6  memory with the end of the lease (agent/lease_word.hpp), at which the bot is stopped in any case
//   7  if open: the agent, to which the lines of the bot's output go, too (agent/bot/output_packet.hpp)
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <climits>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "agent/bot/lease_word.hpp"
#include "agent/bot/output_packet.hpp"

namespace {

using smaster::BootClock;
using smaster::BootTime;
using smaster::Millis;
using smaster::agent::kLostGrace;
using smaster::agent::kNoLimit;
using smaster::agent::LeaseWord;
using smaster::agent::OutputHead;
using smaster::agent::OutputPacker;
using smaster::agent::OutputStream;

constexpr int kChannelFd = 3;
constexpr int kAgentFd = 4;
constexpr int kLeaseFd = 6;
constexpr int kOutputFd = 7;
constexpr int kLastFd = kOutputFd;
/// Time for the bot's descendants to end after the bot has.
constexpr Millis kLeftoverGrace{5'000};
/// Interval of the checks for processes that were killed.
constexpr Millis kLookAgain{50};
/// Maximum time for writing the last output.
constexpr Millis kOutputGrace{1'000};
/// Time for the rest of a line, before its beginning is passed on.
constexpr Millis kPartGrace{100};
/// Time for the rest of a line, before the agent gets its beginning.
constexpr Millis kBegunGrace{1'000};
/// Part of kOutputGrace for an agent that is late.
constexpr Millis kLateGrace{500};

void tell_agent(const std::string& line) {
  // The message is lost if the agent is gone or stopped: never block for it.
  [[maybe_unused]] const auto sent = ::send(kAgentFd, line.data(), line.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
}

/// How a process ended, in the form that the agent expects.
std::string words(int status) {
  return WIFSIGNALED(status) ? "signal " + std::to_string(WTERMSIG(status)) + '\n'
                             : "exit " + std::to_string(WEXITSTATUS(status)) + '\n';
}

/// Maps the agent's memory; null if there is none, as with older agents.
const LeaseWord* map_lease() {
  void* const at = ::mmap(nullptr, sizeof(LeaseWord), PROT_READ, MAP_SHARED, kLeaseFd, 0);
  return at == MAP_FAILED ? nullptr : static_cast<const LeaseWord*>(at);
}

/// Other bots may write to the same output: pieces of whole lines of up to PIPE_BUF are not mixed with theirs
/// (pipe(7)).
void put(int to, std::string_view text) {
  while (!text.empty()) {
    auto piece = text.substr(0, PIPE_BUF);
    if (piece.size() < text.size()) piece = piece.substr(0, piece.rfind('\n') + 1);
    if (piece.empty()) piece = text.substr(0, PIPE_BUF);
    const auto written = ::write(to, piece.data(), piece.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

/// Makes whole lines of a bot's output, with `prefix` before each.
class Prefixer {
 public:
  explicit Prefixer(const std::string& prefix) : prefix_(prefix) {}

  /// The lines that are complete.
  std::string add(std::string_view bytes) {
    pending_ += bytes;
    std::string out;
    std::size_t begin = 0;
    if (prefix_.empty()) {
      begin = pending_.rfind('\n') + 1;
      out = pending_.substr(0, begin);
    } else {
      for (auto end = pending_.find('\n'); end != std::string::npos; end = pending_.find('\n', begin)) {
        out += prefix_;
        out.append(pending_, begin, end + 1 - begin);
        begin = end + 1;
      }
    }
    pending_.erase(0, begin);
    return pending_.size() > 65'536 ? out + finish() : out;  // pass on very long lines in pieces
  }
  /// True if a part of a line is to be passed on when no more of it comes, such as a question without an end.
  [[nodiscard]] bool waits() const { return prefix_.empty() && !pending_.empty(); }
  /// What is left.
  std::string finish() {
    auto rest = std::exchange(pending_, {});
    return rest.empty() || prefix_.empty() ? rest : prefix_ + rest + '\n';
  }

 private:
  const std::string& prefix_;
  std::string pending_;
};

std::int64_t wall_ms() {
  return std::chrono::duration_cast<Millis>(std::chrono::system_clock::now().time_since_epoch()).count();
}

/// One stream of the bot's output.
struct Stream {
  Stream(int from_, int to_, const std::string& prefix, OutputStream stream)
      : from(from_), to(to_), prefixer(prefix), lines(stream) {}
  int from;
  int to;
  Prefixer prefixer;
  OutputPacker lines;
  std::chrono::steady_clock::time_point begun{};  ///< when the line began that has no end yet
};

/// Copies a bot's output, and gives its lines to the agent without ever waiting for it. One thread for both
/// streams: of what a bot has written before it died, the error comes last.
class Copier {
 public:
  /// `captures`: gives the lines to the agent.
  Copier(int out, int error, const std::string& prefix, bool captures)
      : streams_{Stream(out, STDOUT_FILENO, prefix, OutputStream::out),
                 Stream(error, STDERR_FILENO, prefix, OutputStream::err)},
        captures_(captures) {}

  void run() {
    while (streams_[0].from >= 0 || streams_[1].from >= 0) {
      const bool waits = captures_ && (streams_[0].lines.waits() || streams_[1].lines.waits());
      // poll() ignores a descriptor of −1
      pollfd wait[] = {
          {streams_[0].from, POLLIN, 0}, {streams_[1].from, POLLIN, 0}, {waits ? kOutputFd : -1, POLLOUT, 0}};
      const bool part = streams_[0].prefixer.waits() || streams_[1].prefixer.waits();
      const auto limit = begun_limit();
      const auto pause = part ? std::min(limit.value_or(kPartGrace), kPartGrace) : limit.value_or(Millis{-1});
      if (::poll(wait, std::size(wait), static_cast<int>(pause.count())) == 0 && part) {
        for (auto& stream : streams_) put(stream.to, stream.prefixer.finish());
      }
      pass_on_begun();
      if (wait[2].revents != 0) give();
      for (std::size_t i = 0; i < 2; ++i) {
        if (wait[i].revents != 0) copy(streams_[i]);
      }
    }
    if (!captures_ || !(streams_[0].lines.waits() || streams_[1].lines.waits())) return;
    // The bot has ended: a moment for an agent that is late.
    pollfd wait{kOutputFd, POLLOUT, 0};
    ::poll(&wait, 1, static_cast<int>(kLateGrace.count()));
    give();
  }

 private:
  /// The time until the beginning of a line is passed on; nullopt: there is none.
  [[nodiscard]] std::optional<Millis> begun_limit() const {
    std::optional<Millis> limit;
    for (const auto& stream : streams_) {
      if (!captures_ || !stream.lines.begun()) continue;
      const auto left =
          std::chrono::ceil<Millis>(stream.begun + kBegunGrace - std::chrono::steady_clock::now());
      limit = std::max(std::min(left, limit.value_or(left)), Millis{0});
    }
    return limit;
  }

  void pass_on_begun() {
    for (auto& stream : streams_) {
      if (!captures_ || !stream.lines.begun()) continue;
      if (std::chrono::steady_clock::now() < stream.begun + kBegunGrace) continue;
      stream.lines.pass_on_begun(wall_ms());
      give();
    }
  }

  void copy(Stream& stream) {
    char buffer[16'384];
    const auto got = ::read(stream.from, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) return;
    const std::string_view bytes(buffer, static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    if (captures_) {
      if (!stream.lines.begun() || bytes.find('\n') != std::string_view::npos) {
        stream.begun = std::chrono::steady_clock::now();
      }
      got > 0 ? stream.lines.add(bytes, wall_ms()) : stream.lines.finish(wall_ms());
      give();  // first the agent, which never blocks
    }
    put(stream.to, got > 0 ? stream.prefixer.add(bytes) : stream.prefixer.finish());
    if (got <= 0) stream.from = -1;
  }

  /// Sends the agent what it takes at once.
  void give() {
    for (auto& stream : streams_) {
      auto& lines = stream.lines;
      if (!captures_ || !lines.waits()) continue;
      iovec parts[] = {{const_cast<OutputHead*>(&lines.head()), sizeof lines.head()},
                       {const_cast<char*>(lines.text().data()), lines.text().size()}};
      msghdr message{};
      message.msg_iov = parts;
      message.msg_iovlen = std::size(parts);
      if (::sendmsg(kOutputFd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) {
        lines.sent();
      } else {
        captures_ = errno == EAGAIN || errno == ENOBUFS || errno == EINTR;  // otherwise it is gone
      }
    }
  }

  Stream streams_[2];
  bool captures_;
};

/// The bot's ends of its output; −1: it writes to our own.
struct Output {
  int out = -1;
  int error = -1;
  std::thread copier;
};

Output copied(const std::string& prefix, bool captures) {
  int out[2];
  int error[2];
  if (::pipe2(out, O_CLOEXEC) != 0) return {};
  if (::pipe2(error, O_CLOEXEC) != 0) {
    for (const int fd : out) ::close(fd);
    return {};
  }
  return {out[1], error[1], std::thread([=] { Copier(out[0], error[0], prefix, captures).run(); })};
}

/// Runs in the new process: executes the bot. Writes errno to `report` on failure.
[[noreturn]] void become_bot(char** command, const Output& output, int report, pid_t keeper) {
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGPIPE}) std::signal(signal, SIG_DFL);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // a fallback in case the keeper is killed
  if (::getppid() != keeper) ::_exit(127);
  ::setsid();
  if (output.out >= 0) ::dup2(output.out, STDOUT_FILENO);
  if (output.error >= 0) ::dup2(output.error, STDERR_FILENO);
  ::execvp(command[0], command);
  const int why = errno;
  [[maybe_unused]] const auto written = ::write(report, &why, sizeof why);
  ::_exit(127);
}

/// Our children: the remaining processes of the bot, since we are their subreaper.
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
  /// `report`: the pipe for the new process' errno; closed without data once the bot is executed.
  Keeper(pid_t bot, Millis grace, int report)
      : bot_(bot), grace_(grace), lease_(map_lease()), report_(report) {
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    child_signals_ = ::signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
    timer_ = ::timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
  }

  /// Runs until all processes of the bot are gone. Returns the bot's wait status.
  int run() {
    reap();
    while (!gone_) {
      arm();
      // poll() ignores a descriptor of −1
      pollfd wait[] = {{agent_gone_ ? -1 : kAgentFd, POLLIN, 0},
                       {child_signals_, POLLIN, 0},
                       {timer_, POLLIN, 0},
                       {report_, POLLIN, 0}};
      ::poll(wait, std::size(wait), -1);
      if (wait[3].revents != 0) hear_report();
      if (wait[0].revents != 0) hear_agent();
      if (wait[1].revents != 0) drain<signalfd_siginfo>(child_signals_);
      if (wait[2].revents != 0) drain<std::uint64_t>(timer_);
      reap();
      if (!lost_ && BootClock::now() >= lease_end()) lose();
      if (kill_at_ && BootClock::now() >= *kill_at_) kill_all();
    }
    return status_;
  }

 private:
  template <class Record>
  static void drain(int fd) {
    Record record;
    while (::read(fd, &record, sizeof record) > 0) {
    }
  }

  /// The end of the lease. Read each time, because the agent changes it.
  [[nodiscard]] BootTime lease_end() const {
    return BootTime(Millis{lease_ == nullptr ? kNoLimit : lease_->load(std::memory_order_relaxed)});
  }

  void arm() const {
    auto next = lost_ ? BootTime::max() : lease_end();
    if (kill_at_) next = std::min(next, *kill_at_);
    itimerspec when{};  // zero disarms the timer
    if (next != BootTime::max()) {
      const auto ms = std::max<std::int64_t>(next.time_since_epoch().count(), 1);
      when.it_value.tv_sec = ms / 1000;
      when.it_value.tv_nsec = ms % 1000 * 1'000'000;
    }
    ::timerfd_settime(timer_, TFD_TIMER_ABSTIME, &when, nullptr);
  }

  void hear_report() {
    int why = 0;
    if (::read(report_, &why, sizeof why) > 0) {
      tell_agent("failed " + std::to_string(why) + '\n');
      ::waitpid(bot_, nullptr, 0);  // otherwise the agent, a subreaper, has a zombie
      ::_exit(127);
    }
    ::close(std::exchange(report_, -1));
    tell_agent("started " + std::to_string(bot_) + '\n');
  }

  void hear_agent() {
    char buffer[64];
    const auto got = ::read(kAgentFd, buffer, sizeof buffer);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) return;
    agent_gone_ = got <= 0;
    if (agent_gone_) return stop(grace_);
    const std::string_view text(buffer, static_cast<std::size_t>(got));
    for (auto stops = std::count(text.begin(), text.end(), 's'); stops > 0; --stops) {
      // A second `stop` means: kill at once.
      std::exchange(told_to_stop_, true) ? kill_all() : stop(grace_);
    }
  }

  /// The lease has expired: the bot's shard id may soon be assigned to another host.
  void lose() {
    lost_ = true;
    stop(grace_);
    kill_at_ = std::min(*kill_at_, lease_end() + kLostGrace);
    latest_kill_ = *kill_at_;
  }

  void stop(Millis grace) {
    if (stopping_) return;
    stopping_ = true;
    signal_all(SIGTERM);
    signal_all(SIGCONT);
    kill_at_ = std::min(BootClock::now() + grace, latest_kill_);
  }

  void kill_all() {
    signal_all(SIGKILL);
    // Processes that left the group are our children, at the latest when their parents are dead.
    for (const auto pid : children()) ::kill(pid, SIGKILL);
    kill_at_ = BootClock::now() + kLookAgain;
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
      if (report_ >= 0) hear_report();
      tell_agent("ended " + words(status));
      bot_alive_ = false;
      status_ = status;
      stopping_ = false;  // its descendants get SIGTERM and a shorter grace time
      stop(std::min(grace_, kLeftoverGrace));
    }
    gone_ = pid < 0 && errno == ECHILD;
  }

  const pid_t bot_;
  const Millis grace_;
  const LeaseWord* const lease_;
  int report_;
  int child_signals_ = -1;
  int timer_ = -1;
  int status_ = 0;
  bool bot_alive_ = true;
  bool agent_gone_ = false;
  bool told_to_stop_ = false;
  bool stopping_ = false;
  bool lost_ = false;  ///< the lease has expired
  bool gone_ = false;
  std::optional<BootTime> kill_at_;
  BootTime latest_kill_ = BootTime::max();  ///< set once the lease has expired
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) return 64;
  const Millis grace{std::strtoll(argv[1], nullptr, 10)};
  const std::string prefix = argv[2];

  // Only the agent and the bot decide when this process ends. The new session protects it from signals of the
  // agent's terminal.
  ::setsid();
  sigset_t blocked;
  sigemptyset(&blocked);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGCHLD}) sigaddset(&blocked, signal);
  ::sigprocmask(SIG_BLOCK, &blocked, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  ::close_range(kLastFd + 1, ~0U, 0);
  for (int fd = kAgentFd; fd <= kLastFd; ++fd) ::fcntl(fd, F_SETFD, FD_CLOEXEC);

  Output output;
  const bool captures = ::fcntl(kOutputFd, F_GETFD) >= 0;
  if (captures || !prefix.empty()) output = copied(prefix, captures);
  int report[2];
  if (::pipe2(report, O_CLOEXEC) != 0) return 71;
  const pid_t keeper = ::getpid();
  const pid_t bot = ::fork();
  const int fork_error = errno;
  if (bot == 0) become_bot(argv + 3, output, report[1], keeper);
  ::close(report[1]);
  ::close(kChannelFd);
  for (const int end : {output.out, output.error}) {
    if (end >= 0) ::close(end);
  }
  if (bot < 0) {
    tell_agent("failed " + std::to_string(fork_error) + '\n');
    ::_exit(127);
  }

  const int status = Keeper(bot, grace, report[0]).run();
  const auto finish = [status] {
    tell_agent(words(status));
    ::_exit(0);
  };
  // All writers are gone, so the copier ends, unless the reader of their output blocks.
  std::thread([finish] {
    std::this_thread::sleep_for(kOutputGrace);
    finish();
  }).detach();
  if (output.copier.joinable()) output.copier.join();
  finish();
}
