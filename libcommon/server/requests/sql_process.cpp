#include "server/requests/sql_process.hpp"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <cstring>
#include <filesystem>
#include <thread>
#include <utility>
#include <vector>

#include "base/fd.hpp"
#include "sql/worker.hpp"

namespace smaster::server {
namespace {

namespace asio = net::asio;

constexpr Millis kReapAgain{5};
constexpr int kJoinTries = 200;

/// The path of sql-worker, in the folder of this program.
std::string worker_path() {
  std::error_code ignored;
  return (std::filesystem::read_symlink("/proc/self/exe", ignored).parent_path() / "sql-worker").string();
}

/// Only the variables that the databases' libraries and sanitizers read: others may contain secrets.
std::vector<std::string> worker_environment() {
  constexpr std::string_view kPassed[] = {
      "HOME=",          "TZ=",          "PG", "KRB5", "SSL_CERT_", "LD_LIBRARY_PATH=", "ASAN_OPTIONS=",
      "UBSAN_OPTIONS=", "TSAN_OPTIONS="};
  std::vector<std::string> passed;
  for (char** at = environ; *at != nullptr; ++at) {
    for (const auto prefix : kPassed) {
      if (std::string_view(*at).starts_with(prefix)) passed.emplace_back(*at);
    }
  }
  return passed;
}

std::vector<char*> raw_pointers(std::vector<std::string>& texts) {
  std::vector<char*> list;
  for (auto& text : texts) list.push_back(text.data());
  list.push_back(nullptr);
  return list;
}

/// Starts a worker that inherits only `channel`. Returns its process id or −errno.
pid_t spawn_worker(int channel) {
  std::vector<std::string> words{worker_path()};
  auto environment = worker_environment();
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, channel, sql::kWorkerChannel);
  ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_addclosefrom_np(&actions, sql::kWorkerChannel + 1);
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  sigset_t none;
  sigset_t all;
  ::sigemptyset(&none);
  ::sigfillset(&all);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setsigdefault(&attributes, &all);
  ::posix_spawnattr_setpgroup(&attributes, 0);
  ::posix_spawnattr_setflags(&attributes,
                             POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  pid_t pid = -1;
  const int error = ::posix_spawn(&pid, words.front().c_str(), &actions, &attributes,
                                  raw_pointers(words).data(), raw_pointers(environment).data());
  ::posix_spawn_file_actions_destroy(&actions);
  ::posix_spawnattr_destroy(&attributes);
  return error == 0 ? pid : -error;
}

std::string end_of(int status) {
  if (WIFSIGNALED(status)) return "signal " + std::to_string(WTERMSIG(status));
  return "exit code " + std::to_string(WEXITSTATUS(status));
}

}  // namespace

Result<std::shared_ptr<SqlProcess>> SqlProcess::start(asio::io_context& context, sql::Order order,
                                                      OnFrame on_frame, OnEnd on_end) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    return fail(ErrorKind::cannot_create,
                std::string("cannot make the SQL worker's channel: ") + std::strerror(errno));
  }
  Fd ours(ends[0]);
  // Above the number that it gets in the worker: with the same number it would be closed there.
  const Fd theirs(::fcntl(ends[1], F_DUPFD_CLOEXEC, sql::kWorkerChannel + 1));
  ::close(ends[1]);
  const auto pid = theirs ? spawn_worker(theirs.get()) : -errno;
  if (pid < 0) {
    return fail(ErrorKind::cannot_create, "cannot run " + worker_path() + ": " + std::strerror(-pid));
  }
  auto process = std::make_shared<SqlProcess>(
      context, pid, net::LocalSocket(context, asio::local::stream_protocol(), ours.release()),
      std::move(on_frame), std::move(on_end));
  order.parent = ::getpid();
  process->send(sql::encode(order));
  process->read_header();
  return process;
}

SqlProcess::SqlProcess(asio::io_context& context, pid_t pid, net::LocalSocket channel, OnFrame on_frame,
                       OnEnd on_end)
    : pid_(pid),
      channel_(std::move(channel)),
      timer_(context.get_executor()),
      on_frame_(std::move(on_frame)),
      on_end_(std::move(on_end)) {}

void SqlProcess::send(std::string_view payload) {
  outgoing_ += sql::frame(payload);
  if (!writing_) write();
}

void SqlProcess::write() {
  writing_ = true;
  auto bytes = std::make_shared<std::string>(std::exchange(outgoing_, {}));
  asio::async_write(channel_, asio::buffer(*bytes),
                    [self = shared_from_this(), bytes](boost::system::error_code error, std::size_t) {
                      self->writing_ = false;
                      if (!error && !self->outgoing_.empty()) self->write();
                    });
}

void SqlProcess::read_header() {
  asio::async_read(channel_, asio::buffer(header_),
                   [self = shared_from_this()](boost::system::error_code error, std::size_t) {
                     const auto size = error
                                           ? std::nullopt
                                           : sql::frame_length({self->header_.data(), self->header_.size()});
                     if (!size) return self->kill();
                     self->read_payload(*size);
                   });
}

void SqlProcess::read_payload(std::size_t size) {
  incoming_.resize(size);
  asio::async_read(channel_, asio::buffer(incoming_),
                   [self = shared_from_this()](boost::system::error_code error, std::size_t) {
                     if (error) return self->kill();
                     // A copy: the callback may call `forget`.
                     if (const auto on_frame = self->on_frame_) on_frame(std::exchange(self->incoming_, {}));
                     if (!self->killed_) self->read_header();
                   });
}

void SqlProcess::kill() {
  if (std::exchange(killed_, true)) return;
  ::kill(pid_, SIGKILL);  // it is not reaped yet, so no other process can have its id
  boost::system::error_code ignored;
  channel_.close(ignored);
  timer_.expires_after(Millis{0});
  reap();
}

/// Polls for the process' end: this needs no descriptor, of which there may be none left.
void SqlProcess::reap() {
  timer_.async_wait([self = shared_from_this()](boost::system::error_code) {
    if (self->reaped_) return;
    int status = 0;
    const auto reaped = ::waitpid(self->pid_, &status, WNOHANG);
    if (reaped == 0) {
      self->timer_.expires_after(kReapAgain);
      return self->reap();
    }
    self->reaped_ = true;
    self->on_frame_ = {};
    if (const auto on_end = std::exchange(self->on_end_, {}))
      on_end(reaped < 0 ? "not known" : end_of(status));
  });
}

void SqlProcess::forget() {
  on_frame_ = {};
  on_end_ = {};
}

void SqlProcess::join() {
  for (int i = 0; i < kJoinTries && !reaped_; ++i) {
    reaped_ = ::waitpid(pid_, nullptr, WNOHANG) != 0;
    if (!reaped_) std::this_thread::sleep_for(kReapAgain);
  }
}

}  // namespace smaster::server
