// How long the turns of an event loop take: while one handler runs, everything else waits. Costs one clock
// read a turn, and one more each time the loop asks the kernel for events.
#pragma once

#include <cstdint>
#include <functional>

#include "net/asio.hpp"
#include "net/clock.hpp"

namespace smaster::net {

class LoopWatch {
 public:
  using Duration = Instant::duration;

  static constexpr Millis kBound{5};                  ///< what no turn is to exceed
  static constexpr std::chrono::seconds kWindow{60};  ///< `longest` looks back over one to two of these

  /// Runs the context until it is stopped or has nothing to do, as its own `run` does, and measures each
  /// turn.
  void run(asio::io_context& context);

  /// Counts a turn that ended at `end`. `worked`: at least the CPU time that it has used; the rest it stood,
  /// since the machine was busy or the disk was slow.
  void add(Instant end, Duration took, Duration worked);

  /// The longest turn of the last one to two minutes.
  [[nodiscard]] Duration longest(Instant now);
  /// FairSemaphore above kBound, since the start: those that worked for so long, and those that stood.
  [[nodiscard]] std::uint64_t worked_long() const { return worked_long_; }
  [[nodiscard]] std::uint64_t stood_long() const { return stood_long_; }
  /// The time that turns have taken, since the start.
  [[nodiscard]] Duration busy() const { return busy_; }

  /// Set by the owner: told of a turn above 50 ms, and how many there were since it was last told; at most
  /// every ten seconds.
  std::function<void(Duration took, Duration worked, std::uint64_t turns)> complain;

 private:
  void turn_window(Instant now);

  Instant window_{};  ///< when the present one began
  Duration present_{};
  Duration before_{};
  Duration busy_{};
  std::uint64_t worked_long_ = 0;
  std::uint64_t stood_long_ = 0;
  std::uint64_t unsaid_ = 0;
  Instant said_{};
};

}  // namespace smaster::net
