#include "net/program.hpp"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/write.hpp>
#include <cstring>
#include <memory>
#include <utility>

#include "base/fd.hpp"
#include "base/text.hpp"
#include "net/event.hpp"
#include "net/task_scope.hpp"

namespace smaster::net {
namespace {

using Descriptor = asio::posix::basic_stream_descriptor<Executor>;

constexpr std::size_t kMaxLine = 65'536;
constexpr std::chrono::seconds kKillAfter{2};  ///< after SIGTERM
constexpr std::chrono::seconds kDrainFor{1};   ///< how long to read on after the program has ended
constexpr int kOut = STDOUT_FILENO;
constexpr int kErr = STDERR_FILENO;

struct Pipe {
  Fd read;
  Fd write;

  [[nodiscard]] bool open() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return false;
    read = Fd(ends[0]);
    write = Fd(ends[1]);
    return true;
  }
};

/// The environment "KEY=value", with `more` in front of ours.
std::vector<std::string> environment(const std::map<std::string, std::string>& more) {
  std::vector<std::string> all;
  for (const auto& [key, value] : more) all.push_back(key + '=' + value);
  for (char** at = environ; *at != nullptr; ++at) {
    const std::string_view entry = *at;
    if (!more.contains(std::string(entry.substr(0, entry.find('='))))) all.emplace_back(entry);
  }
  return all;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> list;
  for (auto& text : texts) list.push_back(text.data());
  list.push_back(nullptr);
  return list;
}

/// Starts the program in its own process group. On failure returns −1 and sets errno.
pid_t spawn(Program& program, const Fd& in, const Fd& out, const Fd& err) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in.get(), STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out.get(), kOut);
  posix_spawn_file_actions_adddup2(&actions, err.get(), kErr);
  // Libraries may have opened sockets without CLOEXEC.
  posix_spawn_file_actions_addclosefrom_np(&actions, kErr + 1);
  if (!program.folder.empty()) posix_spawn_file_actions_addchdir_np(&actions, program.folder.c_str());
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigset_t all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  auto env = environment(program.env);
  pid_t pid = -1;
  const int error = ::posix_spawnp(&pid, program.command.front().c_str(), &actions, &attributes,
                                   pointers(program.command).data(), pointers(env).data());
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (error == 0) return pid;
  errno = error;
  return -1;
}

/// State shared by the coroutines of one program.
struct Running {
  Running(asio::io_context& context, pid_t pid_)
      : pid(pid_),
        end(context.get_executor()),
        in(context.get_executor()),
        out(context.get_executor()),
        err(context.get_executor()),
        timer(context.get_executor()),
        drained(context.get_executor()),
        tasks(context.get_executor(), "program " + std::to_string(pid_)) {}

  /// Sends SIGTERM if this process ends while the program runs.
  ~Running() { terminate(); }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;

  /// Starts to watch the process and its pipes. Errors: unavailable, if the system is short of descriptors.
  [[nodiscard]] Result<void> watch(Fd in_, Fd out_, Fd err_) {
    Fd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    if (!process)
      return fail(ErrorKind::unavailable, std::string("cannot watch it: ") + std::strerror(errno));
    boost::system::error_code error;
    const auto assign = [&error](Descriptor& descriptor, Fd& fd) {
      if (!error) descriptor.assign(fd.get(), error);
      if (!error) (void)fd.release();
    };
    assign(end, process);
    assign(in, in_);
    assign(out, out_);
    assign(err, err_);
    if (error) return fail(ErrorKind::unavailable, "cannot watch it: " + error.message());
    return {};
  }

  /// Nobody waits for the program any more.
  void terminate() {
    if (!std::exchange(ended, true)) ::kill(-pid, SIGTERM);
  }
  void close_pipes() {
    boost::system::error_code ignored;
    for (auto* const pipe : {&in, &out, &err}) pipe->close(ignored);
  }

  /// Kills the process group and reaps the program; SIGKILL makes this quick.
  void kill_and_reap() {
    ::kill(-pid, SIGKILL);
    while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
    ended = true;
  }

  const pid_t pid;
  Descriptor end;
  Descriptor in, out, err;
  Timer timer;
  Event drained;  ///< both outputs are at their end
  int open_outputs = 2;
  bool ended = false;
  bool timed_out = false;
  TaskScope tasks;  ///< input and outputs; the tasks keep this object alive
};

/// A temporary lack of descriptors, processes or memory.
bool out_of_room(int error) {
  return error == EMFILE || error == ENFILE || error == EAGAIN || error == ENOMEM;
}

Task<> feed(std::shared_ptr<Running> running, std::string input) {
  boost::system::error_code ignored;
  co_await asio::async_write(running->in, asio::buffer(input), asio::redirect_error(use_task, ignored));
  running->in.close(ignored);
}

Task<> read_lines(std::shared_ptr<Running> running, Descriptor& from, Output which, OnLine on_line) {
  std::string rest;
  char buffer[4096];
  boost::system::error_code error;
  while (!error) {
    const auto got =
        co_await from.async_read_some(asio::buffer(buffer), asio::redirect_error(use_task, error));
    rest.append(buffer, got);
    for (auto end = rest.find('\n'); end != std::string::npos; end = rest.find('\n')) {
      on_line(which, std::string_view(rest).substr(0, end));
      rest.erase(0, end + 1);
    }
    if (rest.size() > kMaxLine) on_line(which, std::exchange(rest, {}));
  }
  if (!rest.empty()) on_line(which, rest);
  if (--running->open_outputs == 0) running->drained.notify();
}

/// Sends `signal` after `patience`: SIGTERM first, then SIGKILL.
void stop_after(const std::shared_ptr<Running>& running, std::chrono::milliseconds patience, int signal) {
  running->timer.expires_after(patience);
  running->timer.async_wait([running, signal](boost::system::error_code error) {
    if (error || running->ended) return;
    running->timed_out = true;
    ::kill(-running->pid, signal);
    if (signal == SIGTERM) stop_after(running, kKillAfter, SIGKILL);
  });
}

}  // namespace

std::string Ended::text(const Program& program) const {
  if (timed_out) return "stopped after " + format_duration(program.timeout);
  if (signal != 0) return "signal " + std::to_string(signal);
  return "exit code " + std::to_string(exit_code);
}

Task<Result<Ended>> run_program(asio::io_context& context, Program program, OnLine on_line) {
  if (program.command.empty() || program.command.front().empty()) {
    co_return fail(ErrorKind::bad_config, "there is no command to run");
  }
  auto nul = std::any_of(program.command.begin(), program.command.end(), has_nul) ||
             has_nul(program.folder.native());
  for (const auto& [key, value] : program.env) nul = nul || has_nul(key) || has_nul(value);
  if (nul) {
    co_return fail(ErrorKind::bad_config, "cannot start " + program.command.front() +
                                              ": it, an argument or a variable has a NUL character in it");
  }
  Pipe in;
  Pipe out;
  Pipe err;
  const bool piped = in.open() && out.open() && err.open();
  const pid_t pid = piped ? spawn(program, in.read, out.write, err.write) : -1;
  if (pid < 0) {
    co_return fail(out_of_room(errno) ? ErrorKind::unavailable : ErrorKind::cannot_create,
                   "cannot start " + program.command.front() + ": " + std::strerror(errno));
  }
  // Close the program's ends first: if descriptors are scarce, this frees one for the pidfd.
  in.read = {};
  out.write = {};
  err.write = {};
  auto running = std::make_shared<Running>(context, pid);
  if (auto watched = running->watch(std::move(in.write), std::move(out.read), std::move(err.read));
      !watched) {
    running->kill_and_reap();
    co_return fail(watched.error().kind,
                   "cannot run " + program.command.front() + ": " + watched.error().message);
  }
  running->tasks.spawn("input", feed(running, std::move(program.input)), [running] {
    boost::system::error_code ignored;
    running->in.close(ignored);
  });
  running->tasks.spawn("output", read_lines(running, running->out, Output::out, on_line));
  running->tasks.spawn("errors", read_lines(running, running->err, Output::err, on_line));
  stop_after(running, program.timeout, SIGTERM);

  int status = 0;
  do {
    boost::system::error_code cancelled;
    co_await running->end.async_wait(Descriptor::wait_read, asio::redirect_error(use_task, cancelled));
    if (cancelled) {
      running->timer.cancel();
      running->close_pipes();
      running->terminate();
      throw boost::system::system_error(cancelled);
    }
    // Not yet: a wait of Asio's may end early (net/readable.hpp).
  } while (::waitpid(pid, &status, WNOHANG) == 0);
  running->ended = true;
  running->timer.cancel();
  // Background children may keep the outputs open forever.
  if (running->open_outputs > 0) co_await running->drained.wait_until(now() + kDrainFor);
  running->close_pipes();
  Ended ended;
  ended.timed_out = running->timed_out;
  if (WIFSIGNALED(status)) ended.signal = WTERMSIG(status);
  if (WIFEXITED(status)) ended.exit_code = WEXITSTATUS(status);
  co_return ended;
}

}  // namespace smaster::net
