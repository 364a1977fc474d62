// How long an agent's bot may run without word from the master, and how its keeper learns that. The master
// gives the ids of a silent agent away after `assume_dead_after` and a margin; before that the bot is gone.
// Lease is pure: the time comes in. LeasePage is shared memory.
#pragma once

#include <algorithm>
#include <utility>

#include "agent/lease_word.hpp"
#include "base/fd.hpp"
#include "base/result.hpp"

namespace smaster::agent {

/// The deadline that the master's last sign of life sets. It is counted from when the agent asked the
/// question that the master answered, not from when the answer was read: what a frozen process finds in its
/// socket may be old. Of a master that answers no such questions, what it says counts when it is read.
class Lease {
 public:
  /// A connected master that answers no questions may be silent until Engine.IO's heartbeat fails: 25 s + 20
  /// s.
  static constexpr Millis kQuietConnection{45'000};

  /// The master has proved itself on a connection that was begun at `dialled`.
  void connected(BootTime dialled) {
    up_ = true;
    answers_ = false;
    since_ = std::max(since_, dialled);
  }
  void disconnected() { up_ = false; }
  /// The master said something. A lease that is over is not renewed by that, only by a new connection.
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
  /// The master has refused us: it is over at once.
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

/// The memory that holds the lease's end for an agent's keepers.
class LeasePage {
 public:
  [[nodiscard]] static Result<LeasePage> create();
  LeasePage(LeasePage&& other) noexcept
      : fd_(std::move(other.fd_)), word_(std::exchange(other.word_, nullptr)) {}
  LeasePage& operator=(LeasePage&&) = delete;
  ~LeasePage();

  [[nodiscard]] int descriptor() const { return fd_.get(); }
  /// Returns whether it is earlier than it was: keepers do not look before the time that they know of.
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
