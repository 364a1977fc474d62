// Decides when a bot process is started and stopped: goals, exits and time in, orders out. There is at most
// one process at a time; it is gone before the next one starts. Pure: no processes, clocks or randomness.
#pragma once

#include <optional>
#include <string>

#include "base/backoff.hpp"
#include "base/types.hpp"
#include "records/shard_info.hpp"

namespace smaster::agent {

using fleet::Assignment;

struct LifeOptions {
  Millis restart_delay{1'000};  ///< first delay after a bot died
  Millis restart_delay_max{300'000};
  Millis stable_after{60'000};  ///< a bot that lived this long resets the delay
  unsigned crash_loop{3};       ///< consecutive early deaths that count as a crash loop
};

class BotLife {
 public:
  enum class Order { none, start, stop, ask };
  /// waiting: for the pause after a death; asking: the master, when it may log in; queued: until fewer bots
  /// boot on this host.
  enum class Phase { idle, waiting, asking, queued, running, stopping };

  explicit BotLife(const LifeOptions& options)
      : options_(options), backoff_(options.restart_delay, options.restart_delay_max) {}

  /// Sets the assignment to run; nullopt: no bot.
  [[nodiscard]] Order set_goal(std::optional<Assignment> goal, Instant now);
  /// Stops the bot if it runs, then starts it without a delay.
  [[nodiscard]] Order respawn(Instant now);
  /// The process and all its descendants are gone. `random`: jitter for the restart delay.
  [[nodiscard]] Order exited(Instant now, std::uint64_t random);
  [[nodiscard]] Order tick(Instant now);
  /// Sets whether the master is asked before a bot that died is restarted. Starts ordered by the master are
  /// not asked for again.
  void ask_first(bool asks) { asks_ = asks; }
  /// The master permits the start.
  [[nodiscard]] Order granted(Instant now);
  /// The order to start was not carried out: too many bots boot. `admitted` gives it anew.
  void defer();
  [[nodiscard]] Order admitted(Instant now);
  /// When tick must be called, if ever.
  [[nodiscard]] std::optional<Instant> deadline() const;

  [[nodiscard]] Phase phase() const { return phase_; }
  [[nodiscard]] const std::optional<Assignment>& goal() const { return goal_; }
  /// The assignment of the live process.
  [[nodiscard]] const std::optional<Assignment>& assignment() const { return assignment_; }
  /// Start time of the live process, or of the last one.
  [[nodiscard]] Instant since() const { return since_; }
  /// Number of times that the bot has died without a request to stop.
  [[nodiscard]] unsigned deaths() const { return deaths_; }
  [[nodiscard]] bool crash_loop() const { return backoff_.failures() >= options_.crash_loop; }

 private:
  Order start(Instant now);

  LifeOptions options_;
  Backoff backoff_;
  bool asks_ = false;
  Phase phase_ = Phase::idle;
  std::optional<Assignment> goal_;
  std::optional<Assignment> assignment_;
  Instant since_{};     ///< start of the process
  Instant start_at_{};  ///< valid in Phase::waiting
  unsigned deaths_ = 0;
};

}  // namespace smaster::agent
