// A bot's process and the channel to it. A keeper (tools/bot-keeper.cpp) in between makes sure that no
// process of the bot outlives the agent or the keeper. Knows nothing of shards.
#pragma once

#include <sys/types.h>

#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "agent/bot/channel.hpp"
#include "agent/bot/output_packet.hpp"
#include "base/fd.hpp"
#include "base/result.hpp"
#include "net/asio.hpp"
#include "net/task_scope.hpp"

namespace smaster::agent {

/// The command to run, and its settings.
struct BotCommand {
  std::vector<std::string> words;  ///< the program and its arguments
  /// The complete environment, each NAME=VALUE, except for the variables of the channel, which `start` adds.
  std::vector<std::string> environment;
  std::string prefix;    ///< put before each line of output; empty: none
  Millis grace{30'000};  ///< time from SIGTERM to SIGKILL
  int lock = -1;         ///< a descriptor that is kept open until the bot is gone
  /// LeasePage::descriptor(): the keeper enforces the lease even if this process is stuck or dead.
  int lease = -1;
};

/// Events of a bot process. All calls come from the context's thread. Only bot_may_speak may be called before
/// `start` returns.
class BotOwner {
 public:
  virtual ~BotOwner() = default;
  /// A line on the channel, without its newline.
  virtual void bot_line(std::string_view line) = 0;
  /// `head` and `tail` are the parts kept of a line longer than `limit` bytes.
  virtual void bot_line_too_long(std::string_view head, std::string_view tail, std::size_t limit) = 0;
  /// False stops reading: lines stay in the channel, and a bot that writes more blocks.
  [[nodiscard]] virtual bool bot_may_speak() const = 0;
  /// The bot has closed the channel but still runs.
  virtual void bot_hung_up() = 0;
  /// The bot's own process has ended; its descendants may still run. `how`: as in bot_exited. Called before
  /// bot_exited, unless the bot did not start or its keeper was killed.
  virtual void bot_ended(const std::string& how) = 0;
  /// The bot and all its descendants are gone. `how`: "exit 1", "signal 9", or why it did not start. Called
  /// exactly once, as the last call.
  virtual void bot_exited(const std::string& how) = 0;
};

class BotProcess : public std::enable_shared_from_this<BotProcess> {
 public:
  /// Starts the keeper, which starts the bot. Errors: cannot_create if the keeper cannot be started;
  /// bad_config for a NUL character in an argument or variable.
  /// `output`: takes the bot's output; null: the bot writes to our own standard output and error.
  [[nodiscard]] static Result<std::shared_ptr<BotProcess>> start(net::asio::io_context& context,
                                                                 const BotCommand& command, BotOwner& owner,
                                                                 OutputSink* output);
  /// Our ends of the sockets to the bot and its keeper.
  struct Ends {
    net::LocalSocket channel;
    net::LocalSocket control;
    Fd output;  ///< invalid: the output is not captured
  };
  BotProcess(net::asio::io_context& context, BotOwner& owner, OutputSink* output, Ends ends, pid_t keeper);

  /// Queues a line. False: dropped, because the bot does not read (64 MiB are queued) or has closed the
  /// channel. The first of several is logged.
  [[nodiscard]] bool send(std::string line);
  /// Sends SIGTERM by way of the keeper; a second call kills the bot.
  void stop();
  /// Makes the keeper read the lease again. Needed when its end has moved to an earlier time.
  void look_at_lease();
  /// For a keeper that does not react. Its death kills the bot; we then kill the bot's descendants.
  void kill_keeper();

  /// Process id of the bot itself; −1 until it is known.
  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] pid_t keeper() const { return keeper_; }
  /// True if all sent bytes have been read from the channel.
  [[nodiscard]] bool all_read() const;

 private:
  void wake_keeper();
  using Descriptor = net::asio::posix::basic_stream_descriptor<net::Executor>;

  net::Task<> read_channel();
  net::Task<> read_control();
  net::Task<> read_output();
  bool take_output(std::size_t most);
  net::Task<> wait_for_end();
  void control_line(std::string_view line);
  void judge_hang_up();
  void write();

  net::asio::io_context& context_;
  net::TaskScope tasks_;  ///< its tasks keep this object alive
  BotOwner* owner_;       ///< null after bot_exited
  OutputSink* sink_;      ///< the same
  net::LocalSocket channel_;
  net::LocalSocket control_;
  Descriptor output_;
  const pid_t keeper_;
  pid_t pid_ = -1;
  std::string how_;
  LineReader lines_;
  std::deque<std::string> outbox_;
  std::size_t queued_ = 0;
  bool said_unread_ = false;  ///< since the queue was empty
  bool hung_up_ = false;
  bool ended_ = false;
};

/// Turns the keeper's "exit 5" and "signal 9" into "exit status 5" and "SIGKILL".
[[nodiscard]] std::string end_words(const std::string& how);

}  // namespace smaster::agent
