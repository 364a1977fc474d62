// Long work on the loop's thread, in slices: one slice at a time of all such work, and before the next one
// the loop serves everything else that is ready. So a request of 15,000 shards' rows delays others by one
// slice, however many such requests there are.
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

/// Who takes turns with slices: each of these kinds, however many of one kind wait.
inline constexpr const char* kForOperators = "operators";
inline constexpr const char* kForPage = "page";
inline constexpr const char* kForStrangers = "strangers";

/// Bytes of an answer after which a piece of it is handed on.
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

/// The present slice of one piece of work. Nothing that points into the fleet may be kept over `next`.
class Slice {
 public:
  Slice(Slices& slices, const char* who) : slices_(slices), who_(who) {}
  Slice(const Slice&) = delete;
  Slice& operator=(const Slice&) = delete;

  /// Ends this slice, if there is one, and returns in the next, in another turn of the loop.
  net::Task<> next() {
    turn_ = co_await slices_.turns_.take(who_, std::move(turn_));
    co_await net::asio::post(slices_.context_, net::use_task);
    until_ = slices_.clock_() + Slices::kLength;
  }
  /// Lets others have theirs, while this work waits for something else.
  void end() { turn_.give_back(); }
  /// Whether it has lasted long enough.
  [[nodiscard]] bool over() const { return slices_.clock_() >= until_; }

 private:
  Slices& slices_;
  const std::string who_;
  FairSemaphore::Turn turn_;
  Instant until_{};
};

/// How far a walk over a map is. It holds no iterator, so that the map may change between two calls: what is
/// added behind it is met, what is removed is not.
template <class Key>
class Walk {
 public:
  /// Calls `each(entry)` for one entry after the other, as long as `go_on()`; at least for one. True at the
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
