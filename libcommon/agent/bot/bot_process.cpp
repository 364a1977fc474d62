#include "agent/bot/bot_process.hpp"

#include <fcntl.h>
#include <linux/sockios.h>
#include <spawn.h>
#include <spdlog/spdlog.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/read_until.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/write.hpp>
#include <csignal>
#include <cstring>
#include <limits>
#include <set>
#include <tuple>
#include <utility>

#include "agent/bot/proc.hpp"
#include "base/fd.hpp"
#include "base/text.hpp"

namespace smaster::agent {
namespace {

namespace asio = net::asio;

constexpr int kChannelFd = 3;  ///< descriptor numbers in the keeper's process
constexpr int kAgentFd = 4;
constexpr int kLockFd = 5;
constexpr int kLeaseFd = 6;
constexpr int kOutputFd = 7;
constexpr std::size_t kMaxLine = 16u << 20;  ///< maximum size of a line from the bot, in bytes
/// Maximum size of the queue for a bot that does not read, in bytes.
constexpr std::size_t kMaxQueued = 64u << 20;
constexpr Millis kLookAgain{50};
constexpr Millis kSpeakPause{10};
/// A bot that writes without end does not keep the loop busy: so many bytes are read between two pauses.
constexpr std::size_t kOutputAtOnce = 128u << 10;
constexpr Millis kOutputPause{10};

/// bot-keeper is installed beside this program.
std::string keeper_path() {
  std::error_code ignored;
  return (std::filesystem::read_symlink("/proc/self/exe", ignored).parent_path() / "bot-keeper").string();
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> raw;
  for (auto& text : texts) raw.push_back(text.data());
  raw.push_back(nullptr);
  return raw;
}

/// Spawns the keeper with these descriptors as its 3 to 7. It gets its own session, so that signals to our
/// process group do not reach it. Returns the process id, or −errno.
pid_t spawn(const BotCommand& command, int channel, int control, int output) {
  std::vector<std::string> words{keeper_path(), std::to_string(command.grace.count()), command.prefix};
  words.insert(words.end(), command.words.begin(), command.words.end());
  auto environment = command.environment;
  environment.push_back("NODE_CHANNEL_FD=" + std::to_string(kChannelFd));
  environment.push_back("NODE_CHANNEL_SERIALIZATION_MODE=json");
  environment.push_back("SMASTER_CHANNEL_FD=" + std::to_string(kChannelFd));

  // Duplicate to high numbers first: a target number may be one of the sources.
  const Fd high[] = {Fd(::fcntl(channel, F_DUPFD_CLOEXEC, 16)), Fd(::fcntl(control, F_DUPFD_CLOEXEC, 16)),
                     Fd(::fcntl(command.lock, F_DUPFD_CLOEXEC, 16)),
                     Fd(::fcntl(command.lease, F_DUPFD_CLOEXEC, 16)),
                     Fd(::fcntl(output, F_DUPFD_CLOEXEC, 16))};
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  for (int i = 0; i < 5; ++i) ::posix_spawn_file_actions_adddup2(&actions, high[i].get(), kChannelFd + i);
  pid_t pid = -1;
  const int error = ::posix_spawn(&pid, words.front().c_str(), &actions, &attributes, pointers(words).data(),
                                  pointers(environment).data());
  ::posix_spawn_file_actions_destroy(&actions);
  ::posix_spawnattr_destroy(&attributes);
  return error == 0 ? pid : -error;
}

/// The keepers that run. Any other child of ours is an orphan of a killed keeper.
std::set<pid_t> live_keepers;

/// Kills the orphans of killed keepers; returns how many are still alive.
std::size_t kill_orphans() {
  std::size_t left = 0;
  for (const auto pid : children_of(::getpid())) {
    if (live_keepers.contains(pid)) continue;
    ::kill(pid, SIGKILL);
    if (::waitpid(pid, nullptr, WNOHANG) == 0) ++left;
  }
  return left;
}

}  // namespace

Result<std::shared_ptr<BotProcess>> BotProcess::start(asio::io_context& context, const BotCommand& command,
                                                      BotOwner& owner, OutputSink* output) {
  static_assert(kAgentFd == kChannelFd + 1 && kLockFd == kAgentFd + 1 && kLeaseFd == kLockFd + 1 &&
                kOutputFd == kLeaseFd + 1);
  int channel[2];
  int control[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, channel) != 0) {
    return fail(ErrorKind::cannot_create,
                std::string("cannot make the bot's channel: ") + std::strerror(errno));
  }
  Fd ours(channel[0]);
  const Fd bots(channel[1]);
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, control) != 0) {
    return fail(ErrorKind::cannot_create,
                std::string("cannot make the bot's channel: ") + std::strerror(errno));
  }
  Fd near(control[0]);
  const Fd keepers(control[1]);
  int lines[2] = {-1, -1};
  // Without it the bot's output is not kept; the bot itself does not need it.
  if (output != nullptr && ::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, lines) != 0) {
    spdlog::warn("the bot's output is not kept: {}", std::strerror(errno));
  }
  Fd our_lines(lines[0]);
  const Fd keepers_lines(lines[1]);
  const auto& [words, environment] = std::tie(command.words, command.environment);
  if (std::any_of(words.begin(), words.end(), has_nul) ||
      std::any_of(environment.begin(), environment.end(), has_nul)) {
    return fail(ErrorKind::bad_config,
                "cannot run the bot: an argument or a variable has a NUL character in it; look at bot_name, "
                "node_args "
                "and bot_args in the master's [shards]");
  }
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);  // we become the parent of a killed keeper's orphans
  const auto keeper = spawn(command, bots.get(), keepers.get(), keepers_lines.get());
  if (keeper > 0) live_keepers.insert(keeper);
  if (keeper < 0) {
    return fail(ErrorKind::cannot_create, "cannot run " + keeper_path() + ": " + std::strerror(-keeper));
  }
  auto bot = std::make_shared<BotProcess>(
      context, owner, output,
      Ends{net::LocalSocket(context, asio::local::stream_protocol(), ours.release()),
           net::LocalSocket(context, asio::local::stream_protocol(), near.release()), std::move(our_lines)},
      keeper);
  bot->tasks_.spawn("read the channel", bot->read_channel());
  bot->tasks_.spawn("read the keeper", bot->read_control());
  if (bot->output_.is_open()) bot->tasks_.spawn("read the output", bot->read_output());
  return bot;
}

BotProcess::BotProcess(asio::io_context& context, BotOwner& owner, OutputSink* output, Ends ends,
                       pid_t keeper)
    : context_(context),
      tasks_(context.get_executor(), "bot process"),
      owner_(&owner),
      sink_(output),
      channel_(std::move(ends.channel)),
      control_(std::move(ends.control)),
      output_(context),
      keeper_(keeper),
      lines_(kMaxLine) {
  boost::system::error_code ignored;
  if (ends.output) output_.assign(ends.output.release(), ignored);
}

net::Task<> BotProcess::read_channel() {
  const auto self = shared_from_this();
  boost::system::error_code error;
  std::vector<char> buffer(16 * 1024);
  net::Timer pause(context_.get_executor());
  while (true) {
    while (owner_ != nullptr && !owner_->bot_may_speak()) {
      pause.expires_after(kSpeakPause);
      co_await pause.async_wait(asio::redirect_error(net::use_task, error));
    }
    const auto size =
        co_await channel_.async_read_some(asio::buffer(buffer), asio::redirect_error(net::use_task, error));
    if (error) break;
    const auto too_long = lines_.receive(
        {buffer.data(), size},
        [this](std::string_view line) {
          if (owner_ != nullptr) owner_->bot_line(line);
        },
        [this](std::string_view head, std::string_view tail) {
          if (owner_ != nullptr) owner_->bot_line_too_long(head, tail, kMaxLine);
        });
    if (too_long > 0) spdlog::warn("the bot sent a line of over {} MiB; ignored", kMaxLine >> 20);
  }
  hung_up_ = true;
  channel_.close(error);
  judge_hang_up();
}

net::Task<> BotProcess::read_output() {
  const auto self = shared_from_this();
  net::Timer pause(context_.get_executor());
  boost::system::error_code error;
  while (output_.is_open()) {
    co_await output_.async_wait(Descriptor::wait_read, asio::redirect_error(net::use_task, error));
    if (error || !output_.is_open()) break;
    if (!take_output(kOutputAtOnce)) break;
    pause.expires_after(kOutputPause);
    co_await pause.async_wait(asio::redirect_error(net::use_task, error));
  }
}

/// Takes what is there, up to `most` bytes and one packet. False at the end of the output.
bool BotProcess::take_output(std::size_t most) {
  static std::vector<char> packet(sizeof(OutputHead) + kMaxOutputText);  // one for all bots: it is large
  for (std::size_t taken = 0; taken < most;) {
    const auto got = ::recv(output_.native_handle(), packet.data(), packet.size(), MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno == EAGAIN;
    if (got == 0) return false;
    if (sink_ != nullptr) sink_->output({packet.data(), static_cast<std::size_t>(got)});
    taken += static_cast<std::size_t>(got);
  }
  return true;
}

/// A bot that ends also closes its channel. Reports a hang-up only for a process that goes on.
void BotProcess::judge_hang_up() {
  if (!hung_up_ || ended_ || owner_ == nullptr || pid_ < 0 || exiting(pid_)) return;
  owner_->bot_hung_up();
}

net::Task<> BotProcess::read_control() {
  const auto self = shared_from_this();
  std::string text;
  boost::system::error_code error;
  while (true) {
    const auto size = co_await asio::async_read_until(control_, asio::dynamic_buffer(text), '\n',
                                                      asio::redirect_error(net::use_task, error));
    if (error) break;
    control_line(std::string_view(text).substr(0, size - 1));
    text.erase(0, size);
  }
  co_await wait_for_end();
}

void BotProcess::control_line(std::string_view line) {
  if (line.starts_with("started ")) {
    pid_ = parse_int<pid_t>(line.substr(8)).value_or(-1);
    judge_hang_up();
  } else if (line.starts_with("ended ")) {
    ended_ = true;
    if (owner_ != nullptr) owner_->bot_ended(std::string(line.substr(6)));
  } else if (line.starts_with("failed ")) {
    how_ = std::string("cannot be started: ") + std::strerror(parse_int<int>(line.substr(7)).value_or(0));
  } else {
    how_ = line;
  }
}

net::Task<> BotProcess::wait_for_end() {
  boost::system::error_code ignored;
  Descriptor ended(context_);
  if (const int fd = static_cast<int>(::syscall(SYS_pidfd_open, keeper_, 0)); fd >= 0)
    ended.assign(fd, ignored);
  net::Timer pause(context_.get_executor());
  // Never waits here: a wait of Asio's may end early (net/readable.hpp), and there may be no descriptor left.
  while (::waitpid(keeper_, nullptr, WNOHANG) == 0) {
    if (ended.is_open()) {
      co_await ended.async_wait(Descriptor::wait_read, asio::redirect_error(net::use_task, ignored));
    } else {
      pause.expires_after(kLookAgain);
      co_await pause.async_wait(asio::redirect_error(net::use_task, ignored));
    }
  }
  live_keepers.erase(keeper_);
  if (how_.empty()) {
    // The keeper was killed. The kernel then kills the bot (PR_SET_PDEATHSIG), and the bot's descendants
    // become our children.
    how_ = "signal 9, and its keeper too";
    while (kill_orphans() > 0) {
      pause.expires_after(kLookAgain);
      co_await pause.async_wait(asio::redirect_error(net::use_task, ignored));
    }
  }
  channel_.close(ignored);
  if (output_.is_open()) {
    // What the bot wrote last; the socket's buffer bounds it.
    (void)take_output(std::numeric_limits<std::size_t>::max());
    output_.close(ignored);
  }
  sink_ = nullptr;
  if (auto* const owner = std::exchange(owner_, nullptr)) owner->bot_exited(how_);
}

bool BotProcess::send(std::string line) {
  if (hung_up_) return false;
  if (queued_ + line.size() > kMaxQueued) {
    if (!std::exchange(said_unread_, true)) {
      spdlog::warn("the bot does not read its channel: messages to it are dropped");
    }
    return false;
  }
  queued_ += line.size();
  outbox_.push_back(std::move(line));
  if (outbox_.size() == 1) write();
  return true;
}

void BotProcess::write() {
  asio::async_write(channel_, asio::buffer(outbox_.front()),
                    [self = shared_from_this()](boost::system::error_code error, std::size_t) {
                      if (error || self->outbox_.empty()) {
                        self->outbox_.clear();
                        self->queued_ = 0;
                        return;
                      }
                      self->queued_ -= self->outbox_.front().size();
                      self->outbox_.pop_front();
                      if (self->outbox_.empty()) {
                        self->said_unread_ = false;
                      } else {
                        self->write();
                      }
                    });
}

/// The bot can stop its keeper with SIGSTOP; a stopped keeper does not read commands.
void BotProcess::wake_keeper() {
  if (live_keepers.contains(keeper_)) ::kill(keeper_, SIGCONT);
}

void BotProcess::stop() {
  wake_keeper();
  boost::system::error_code ignored;
  control_.write_some(asio::buffer("stop\n", 5), ignored);
}

void BotProcess::look_at_lease() {
  wake_keeper();
  boost::system::error_code ignored;
  control_.write_some(asio::buffer("look\n", 5), ignored);
}

void BotProcess::kill_keeper() {
  if (live_keepers.contains(keeper_)) ::kill(keeper_, SIGKILL);
}

bool BotProcess::all_read() const {
  int unread = 0;
  // For a local socket SIOCOUTQ counts the bytes that the peer has not read (unix(7)).
  return outbox_.empty() &&
         ::ioctl(const_cast<net::LocalSocket&>(channel_).native_handle(), SIOCOUTQ, &unread) == 0 &&
         unread == 0;
}

std::string end_words(const std::string& how) {
  const std::string_view text = how;
  if (text.starts_with("exit ")) return "exit status " + how.substr(5);
  if (!text.starts_with("signal ")) return how;
  const auto rest = text.find_first_not_of("0123456789", 7);
  const auto number = parse_int<int>(text.substr(7, rest == std::string_view::npos ? rest : rest - 7));
  const char* const name = number ? ::sigabbrev_np(*number) : nullptr;
  if (name == nullptr) return how;
  return std::string("SIG") + name + (rest == std::string_view::npos ? "" : how.substr(rest));
}

}  // namespace smaster::agent
