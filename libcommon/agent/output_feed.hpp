// The output of an agent's bot: keeps its last lines, answers the master's questions about them, and sends it
// new ones as long as it asks for them. Without questions nothing is sent, and a question's effect ends by
// itself: a master that is gone costs nothing.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/bot/channel.hpp"
#include "agent/bot/log_file.hpp"
#include "agent/bot/output_ring.hpp"
#include "agent/uplink.hpp"
#include "net/task_scope.hpp"

namespace smaster::agent {

class OutputFeed final : public OutputSink {
 public:
  /// `most`, `secret`: as for OutputRing.
  OutputFeed(net::asio::io_context& context, Uplink& uplink, std::size_t most, std::string secret);

  /// Writes all lines to this file as well, in the pool.
  void write_to(std::unique_ptr<LogFile> file, net::asio::thread_pool& pool, net::TaskScope& tasks);

  // OutputSink
  void output(std::string_view packet) override;
  /// Adds a remark of the agent.
  void note(std::string_view text);
  /// A new bot is started: `last_lines` has only lines of this one.
  void started() { started_ = ring_.newest(); }
  /// The bot's last lines, for the report of its death.
  [[nodiscard]] std::vector<std::string> last_lines() const;
  /// Answers the master's event `logs`: `{lines?, age?, ring?, after?, bytes?, follow?, every?, rate?}`. The
  /// lines are the newest ones, of the last `age` milliseconds; with `ring` and `after` of an earlier answer
  /// those that came later. With `follow`, new lines are sent for so many milliseconds, at most every `every`
  /// milliseconds and `rate` bytes a second; 0 ends that.
  [[nodiscard]] Outcome answer(std::string_view question);
  /// Nothing is sent any more.
  void stop();

 private:
  [[nodiscard]] bool follows() const;
  [[nodiscard]] std::size_t room() const;
  [[nodiscard]] std::string batch(const OutputRing::Wanted& wanted);
  void arm();
  void send();
  void write(Time time, OutputStream stream, const std::string& text);
  net::Task<> write_lines(net::asio::thread_pool& pool);

  Uplink& uplink_;
  OutputRing ring_;
  const std::string id_;       ///< of this ring: another one counts its lines anew
  std::uint64_t started_ = 0;  ///< number of the last line before this bot
  std::uint64_t cursor_ = 0;   ///< number of the last line that the follower has
  unsigned generation_ = 0;    ///< of the follower's connection
  Instant until_{};            ///< end of following
  Millis every_{200};
  std::size_t rate_ = 0;  ///< bytes a second
  Instant sent_{};
  bool armed_ = false;
  net::Timer timer_;

  std::unique_ptr<LogFile> file_;  ///< null: none
  std::function<void()> start_writing_;
  net::Busy writing_;
  std::string unwritten_;
  std::uint64_t lost_ = 0;  ///< lines that found no room in it
  bool failing_ = false;    ///< the last lines could not be written
};

}  // namespace smaster::agent
