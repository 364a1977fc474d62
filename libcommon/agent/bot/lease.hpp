// How long an agent's bot may run without contact to the master, and the memory that tells its keeper. The
// master reassigns the ids of a silent agent after `assume_dead_after` plus a margin; the bot is gone before
// that. Lease is pure: time is passed in. LeasePage is shared memory.
#pragma once

#include <algorithm>
#include <utility>

#include "agent/bot/lease_word.hpp"
#include "base/fd.hpp"
#include "base/result.hpp"

namespace smaster::agent {

/// The deadline set by the last contact to the master. It counts from the time of the agent's request, not
/// from when the answer was read: a process that was frozen may find old answers in its socket. For a master
/// that never answers lease requests, the time of reading counts.
class Lease {
 public:
  /// Silence allowed on a connection to a master that does not answer lease requests: Engine.IO's heartbeat,
  /// ping interval 25 s + ping timeout 20 s.
  static constexpr Millis kQuietConnection{45'000};

  /// The master has authenticated itself on a connection that was started at `dialled`.
  void connected(BootTime dialled) {
    up_ = true;
    answers_ = false;
    since_ = std::max(since_, dialled);
  }
  void disconnected() { up_ = false; }
  /// The master has sent something. Does not renew an expired lease; only a new connection does.
  void heard(BootTime now) {
    if (!answers_ && now < until()) since_ = std::max(since_, now);
  }
  /// The master is asked now, and told this term. It may count with a shorter one from now on, whether or not
  /// its answer arrives.
  void asking(BootTime now, Millis term) {
    if (term >= term_) return;
    const auto end = std::min(since_ + term_, now + term);
    term_ = term;
    since_ = end - term;
  }
  /// It answered the question that was asked at this moment with this term. With a longer one it counts only
  /// now.
  void answered(BootTime asked, Millis term) {
    if (asked >= until()) return;
    term_ = term;
    since_ = answers_ ? std::max(since_, asked) : asked;
    answers_ = true;
  }
  /// The master has refused us: the lease ends at once.
  void end(BootTime now) {
    up_ = answers_ = false;
    since_ = std::min(since_, now - term_);
  }
  /// The master's assume_dead_after is this now. One that answers counts with it once a question tells it so.
  void set_term(Millis term) {
    wanted_ = term;
    if (!answers_) term_ = term;
  }

  /// In force now.
  [[nodiscard]] Millis term() const { return term_; }
  /// What the next question is to tell the master.
  [[nodiscard]] Millis wanted_term() const { return wanted_; }
  [[nodiscard]] BootTime until() const {
    return since_ + (up_ && !answers_ ? std::max(term_, kQuietConnection) : term_);
  }
  [[nodiscard]] bool over(BootTime now) const { return now >= until(); }

 private:
  Millis term_{300'000};
  Millis wanted_ = term_;
  BootTime since_{};
  bool up_ = false;
  bool answers_ = false;
};

/// The shared memory with the end of the lease, read by an agent's keepers.
class LeasePage {
 public:
  [[nodiscard]] static Result<LeasePage> create();
  LeasePage(LeasePage&& other) noexcept
      : fd_(std::move(other.fd_)), word_(std::exchange(other.word_, nullptr)) {}
  LeasePage& operator=(LeasePage&&) = delete;
  ~LeasePage();

  [[nodiscard]] int descriptor() const { return fd_.get(); }
  /// Returns true if the end has moved to an earlier time: keepers must then be woken, since they sleep until
  /// the end that they know.
  bool write(BootTime until) {
    const auto ms = until.time_since_epoch().count();
    return word_->exchange(ms, std::memory_order_relaxed) > ms;
  }

 private:
  LeasePage(Fd fd, LeaseWord* word) : fd_(std::move(fd)), word_(word) {}
  Fd fd_;
  LeaseWord* word_;
};

}  // namespace smaster::agent
