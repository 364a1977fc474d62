// A bot's process and the channel to it, behind a keeper (tools/bot-keeper.cpp) that sees to it that nothing
// of the bot outlives either of them. Knows nothing of shards.
#pragma once

#include <sys/types.h>

#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "agent/bot/channel.hpp"
#include "base/result.hpp"
#include "net/asio.hpp"
#include "net/task_scope.hpp"

namespace smaster::agent {

/// What to run and how.
struct BotCommand {
  std::vector<std::string> words;        ///< the program and its arguments
  std::vector<std::string> environment;  ///< all of it, each NAME=VALUE, without the channel's
  std::string prefix;                    ///< put before each line of output, unless empty
  Millis grace{30'000};                  ///< from SIGTERM to SIGKILL
  int lock = -1;                         ///< a descriptor that is held until the bot is gone
  int lease = -1;                        ///< LeasePage's: until when the bot may run, whatever becomes of us
};

/// Who hears of a bot process. Calls come from the context.
class BotOwner {
 public:
  virtual ~BotOwner() = default;
  /// A line on the channel, without its newline.
  virtual void bot_line(std::string_view line) = 0;
  /// What was kept of a line that was longer than `limit`.
  virtual void bot_line_too_long(std::string_view head, std::string_view tail, std::size_t limit) = 0;
  /// Whether lines can be taken now. Where not, they stay in the channel, and a bot that writes more waits.
  [[nodiscard]] virtual bool bot_may_speak() const = 0;
  /// The bot has closed the channel and goes on: it will never say anything.
  virtual void bot_hung_up() = 0;
  /// The bot's own process has ended, in these words; what it had started may not have. Comes before
  /// bot_exited, unless the bot was never started or its keeper was killed.
  virtual void bot_ended(const std::string& how) = 0;
  /// The bot and all that it started is gone: "exit 1", "signal 9", or why it did not start. Comes once,
  /// last.
  virtual void bot_exited(const std::string& how) = 0;
};

class BotProcess : public std::enable_shared_from_this<BotProcess> {
 public:
  /// Starts the keeper, which starts the bot. cannot_create when even that fails.
  [[nodiscard]] static Result<std::shared_ptr<BotProcess>> start(net::asio::io_context& context,
                                                                 const BotCommand& command, BotOwner& owner);
  BotProcess(net::asio::io_context& context, BotOwner& owner, net::LocalSocket channel,
             net::LocalSocket control, pid_t keeper);

  /// Queues a line; a bot that does not read loses what exceeds the limit, and its answers.
  void send(std::string line);
  /// Asks the bot to end; a second time, kills it.
  void stop();
  /// Has the keeper look at the lease, which ends earlier than it did.
  void look_at_lease();
  /// For a keeper that does not do what it is told: its death kills the bot, and we kill what is left.
  void kill_keeper();

  /// The bot's own process; −1 until it is known.
  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] pid_t keeper() const { return keeper_; }
  /// Whether everything sent was taken out of the channel by somebody.
  [[nodiscard]] bool all_read() const;

 private:
  void wake_keeper();
  using Descriptor = net::asio::posix::basic_stream_descriptor<net::Executor>;

  net::Task<> read_channel();
  net::Task<> read_control();
  net::Task<> wait_for_end();
  void control_line(std::string_view line);
  void judge_hang_up();
  void write();

  net::asio::io_context& context_;
  net::TaskScope tasks_;  ///< they keep this alive
  BotOwner* owner_;       ///< none once it has heard the end
  net::LocalSocket channel_;
  net::LocalSocket control_;
  const pid_t keeper_;
  pid_t pid_ = -1;
  std::string how_;
  LineReader lines_;
  std::deque<std::string> outbox_;
  std::size_t queued_ = 0;
  bool hung_up_ = false;
  bool ended_ = false;
};

/// "exit 5" and "signal 9", as keepers have it, in words: "exit status 5", "SIGKILL".
[[nodiscard]] std::string end_words(const std::string& how);

}  // namespace smaster::agent
