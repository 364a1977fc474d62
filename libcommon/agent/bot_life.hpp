// When a bot process is to be started and stopped: goals, exits and time in, orders out. There is at most one
// process at a time; it is gone before the next one starts. Pure: no processes, clocks or randomness here.
#pragma once

#include <optional>
#include <string>

#include "base/backoff.hpp"
#include "base/types.hpp"
#include "fleet/shard_info.hpp"

namespace smaster::agent {

using fleet::Role;

struct LifeOptions {
  Millis restart_delay{1'000};  ///< the first pause after a bot died
  Millis restart_delay_max{300'000};
  Millis stable_after{60'000};  ///< a bot that lived as long has not failed when it dies
  unsigned crash_loop{3};       ///< deaths in a row that make a crash loop
};

class BotLife {
 public:
  enum class Order { none, start, stop, ask };
  /// waiting: for the pause after a death; asking: the master, when it may log in; queued: until fewer bots
  /// boot on this host.
  enum class Phase { idle, waiting, asking, queued, running, stopping };

  explicit BotLife(const LifeOptions& options)
      : options_(options), backoff_(options.restart_delay, options.restart_delay_max) {}

  /// What the bot is to be; nothing: it is to be stopped.
  [[nodiscard]] Order set_goal(std::optional<Role> goal, Instant now);
  /// Stop it if it runs, then start it again without a pause.
  [[nodiscard]] Order respawn(Instant now);
  /// The process is gone, with everything that it had started. `random`: for the pause's jitter.
  [[nodiscard]] Order exited(Instant now, std::uint64_t random);
  [[nodiscard]] Order tick(Instant now);
  /// Whether the master is to be asked before a bot that died is started again. What the master orders it
  /// has thought of.
  void ask_first(bool asks) { asks_ = asks; }
  /// The master says that it may start.
  [[nodiscard]] Order granted(Instant now);
  /// The order to start was not carried out: too many bots boot. `admitted` gives it anew.
  void defer();
  [[nodiscard]] Order admitted(Instant now);
  /// When tick must be called, if ever.
  [[nodiscard]] std::optional<Instant> deadline() const;

  [[nodiscard]] Phase phase() const { return phase_; }
  [[nodiscard]] const std::optional<Role>& goal() const { return goal_; }
  /// What the live process was started as.
  [[nodiscard]] const std::optional<Role>& role() const { return role_; }
  /// When the live process, or the last one, was started.
  [[nodiscard]] Instant since() const { return since_; }
  /// Times that the bot has died by itself since this began.
  [[nodiscard]] unsigned deaths() const { return deaths_; }
  [[nodiscard]] bool crash_loop() const { return backoff_.failures() >= options_.crash_loop; }

 private:
  Order start(Instant now);

  LifeOptions options_;
  Backoff backoff_;
  bool asks_ = false;
  Phase phase_ = Phase::idle;
  std::optional<Role> goal_;
  std::optional<Role> role_;
  Instant since_{};     ///< of the process
  Instant start_at_{};  ///< while waiting
  unsigned deaths_ = 0;
};

}  // namespace smaster::agent
