#include "net/loop_watch.hpp"

#include <algorithm>
#include <utility>

#include "base/waiting.hpp"
#include "net/clock.hpp"

namespace smaster::net {
namespace {

constexpr Millis kWorthALine{50};
constexpr std::chrono::seconds kBetweenLines{10};
/// How much work a turn has done is known up to so much that turns before it did: to ask costs a system call.
constexpr std::chrono::microseconds kBetweenReadings{200};

}  // namespace

void LoopWatch::run(asio::io_context& context) {
  begin_work();
  auto begun = now();
  Duration unread{};
  while (context.run_one() > 0) {
    const auto end = now();
    const auto took = end - std::max(begun, woken_at() + Clock::added());
    add(end, took, took > kBound ? worked() : took);
    begun = end;
    unread += took;
    if (unread < kBetweenReadings) continue;
    begin_work();
    unread = {};
  }
}

void LoopWatch::add(Instant end, Duration took, Duration worked) {
  busy_ += took;
  if (end - window_ >= kWindow) turn_window(end);
  present_ = std::max(present_, took);
  if (took <= kBound) return;
  ++(worked > kBound ? worked_long_ : stood_long_);
  if (took < kWorthALine) return;
  ++unsaid_;
  if (!complain || (said_ != Instant{} && end - said_ < kBetweenLines)) return;
  said_ = end;
  complain(took, std::min(took, worked), std::exchange(unsaid_, 0));
}

void LoopWatch::turn_window(Instant now) {
  before_ = now - window_ < 2 * kWindow ? present_ : Duration{};
  present_ = {};
  window_ = now;
}

LoopWatch::Duration LoopWatch::longest(Instant now) {
  if (now - window_ >= kWindow) turn_window(now);
  return std::max(present_, before_);
}

}  // namespace smaster::net
