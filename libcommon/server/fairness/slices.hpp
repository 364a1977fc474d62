// Divides long work on the event loop's thread into slices. Only one slice of all such work runs at a time,
// and before the next one the loop serves everything else that is ready. So a request for 15,000 shards' rows
// delays other work by one slice, however many such requests there are.
#pragma once

#include <cstddef>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "net/asio.hpp"
#include "net/clock.hpp"
#include "server/fairness/fair_semaphore.hpp"

namespace smaster::server {

/// The kinds of work that take turns, however much work of one kind waits.
inline constexpr const char* kForOperators = "operators";
inline constexpr const char* kForPage = "page";
inline constexpr const char* kForStrangers = "strangers";

/// Size in bytes at which a piece of an answer is passed on.
inline constexpr std::size_t kPieceBytes = 65'536;

class Slices {
 public:
  using Clock = Instant (*)();
  static constexpr Millis kLength{2};

  explicit Slices(net::asio::io_context& context, Clock clock = net::now)
      : context_(context), clock_(clock), turns_(context, 1, kAny, kAny) {}

 private:
  friend class Slice;
  static constexpr auto kAny = std::numeric_limits<std::size_t>::max();

  net::asio::io_context& context_;
  const Clock clock_;
  FairSemaphore turns_;
};

/// The slices of one task. Pointers and iterators into the fleet must not be kept across `next`.
class Slice {
 public:
  Slice(Slices& slices, const char* who) : slices_(slices), who_(who) {}
  Slice(const Slice&) = delete;
  Slice& operator=(const Slice&) = delete;

  /// Ends the current slice, if any, and waits for the next one, which starts in another turn of the loop.
  net::Task<> next() {
    turn_ = co_await slices_.turns_.take(who_, std::move(turn_));
    co_await net::asio::post(slices_.context_, net::use_task);
    until_ = slices_.clock_() + Slices::kLength;
  }
  /// Ends the current slice, before the task waits for something else.
  void end() { turn_.give_back(); }
  /// True if the slice's time is used up.
  [[nodiscard]] bool over() const { return slices_.clock_() >= until_; }

 private:
  Slices& slices_;
  const std::string who_;
  FairSemaphore::Turn turn_;
  Instant until_{};
};

/// An iteration over a map that can be interrupted. It holds no iterator, so the map may change between two
/// calls: entries added after the current key are visited, removed ones are not.
template <class Key>
class Walk {
 public:
  /// Calls `each(entry)` for one entry after another while `go_on()`, at least for one. Returns true at the
  /// end of the map.
  template <class Map, class Each, class GoOn>
  bool over(Map& map, Each each, GoOn go_on) {
    for (auto at = last_ ? map.upper_bound(*last_) : map.begin(); at != map.end();) {
      each(*at);
      last_ = at->first;
      if (++at != map.end() && !go_on()) return false;
    }
    return true;
  }

 private:
  std::optional<Key> last_;
};

/// Calls `each(entry)` for all entries of a map, in slices.
template <class Map, class Each>
net::Task<> in_slices(Map& map, Slice& slice, Each each) {
  Walk<typename Map::key_type> walk;
  const auto go_on = [&slice] { return !slice.over(); };
  while (!walk.over(map, each, go_on)) co_await slice.next();
}

}  // namespace smaster::server
