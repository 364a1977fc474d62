// Measures how long the turns of an event loop take: while one handler runs, all others wait. Costs one clock
// read per turn, and one more each time the loop asks the kernel for events.
#pragma once

#include <cstdint>
#include <functional>

#include "net/asio.hpp"
#include "net/clock.hpp"

namespace smaster::net {

class LoopWatch {
 public:
  using Duration = Instant::duration;

  static constexpr Millis kBound{5};                  ///< limit for one turn
  static constexpr std::chrono::seconds kWindow{60};  ///< `longest` covers one to two of these

  /// Like io_context::run, but measures each turn.
  void run(asio::io_context& context);

  /// Records a turn that ended at `end`. `worked`: an upper limit of its CPU time. In the rest of `took` the
  /// thread was not running, because the machine was busy or the disk slow.
  void add(Instant end, Duration took, Duration worked);

  /// The longest turn of the last one to two minutes.
  [[nodiscard]] Duration longest(Instant now);
  /// Number of turns above kBound since the start, by cause: CPU time, or waiting.
  [[nodiscard]] std::uint64_t worked_long() const { return worked_long_; }
  [[nodiscard]] std::uint64_t stood_long() const { return stood_long_; }
  /// Total time spent in turns since the start.
  [[nodiscard]] Duration busy() const { return busy_; }

  /// Set by the owner. Called for a turn above 50 ms, at most every ten seconds; `turns` counts such turns
  /// since the last call.
  std::function<void(Duration took, Duration worked, std::uint64_t turns)> complain;

 private:
  void turn_window(Instant now);

  Instant window_{};  ///< start of the current window
  Duration present_{};
  Duration before_{};
  Duration busy_{};
  std::uint64_t worked_long_ = 0;
  std::uint64_t stood_long_ = 0;
  std::uint64_t unsaid_ = 0;
  Instant said_{};
};

}  // namespace smaster::net
