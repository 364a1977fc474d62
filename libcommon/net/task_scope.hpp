// Ownership of coroutines: what a component starts and does not wait for. Knows nothing of what they do.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "net/asio.hpp"

namespace smaster::net {

/// Whether something is under way, for as long as the guard from `begin` lives. However the work ends
/// (return, exception, a coroutine destroyed with its context), the flag is cleared. The guard may outlive
/// the flag. At most one guard is meant to live at a time.
class Busy {
 public:
  /// Clears the flag at its end.
  class Guard {
   public:
    explicit Guard(std::shared_ptr<bool> flag) : flag_(std::move(flag)) { *flag_ = true; }
    Guard(Guard&&) noexcept = default;
    Guard& operator=(Guard&&) = delete;
    ~Guard() {
      if (flag_) *flag_ = false;
    }

   private:
    std::shared_ptr<bool> flag_;
  };

  [[nodiscard]] explicit operator bool() const { return *flag_; }
  [[nodiscard]] Guard begin() { return Guard(flag_); }

 private:
  std::shared_ptr<bool> flag_ = std::make_shared<bool>(false);
};

/// Owns the coroutines that a component starts: each has a name, its exception is logged, and all are
/// cancelled when the scope ends. A task must keep alive, or be a member of, what it uses; who destroys
/// that earlier joins the scope first. Used on the context's thread only.
class TaskScope {
 public:
  /// Called after a task's exception was logged, to go on without it. Not called for tasks that were
  /// cancelled.
  using Recover = std::function<void()>;

  /// `owner` names the component in the log.
  TaskScope(Executor executor, std::string owner);
  TaskScope(const TaskScope&) = delete;
  TaskScope& operator=(const TaskScope&) = delete;
  ~TaskScope();

  /// Starts it: it runs at once, until it first waits; its end is never inside this call. `recover` must not
  /// throw.
  void spawn(std::string_view name, Task<> task, Recover recover = {});
  /// Starts what is to run until it ends by itself or the scope does: after an exception, logged, it is
  /// made and started again, a second later.
  void keep_running(std::string_view name, std::function<Task<>()> make);
  [[nodiscard]] std::size_t running() const;
  /// Asks all to end: what they wait for ends with operation_aborted. Later ones are not started.
  void cancel();
  /// Cancels and waits until all have ended. Not to be called by one of them.
  Task<> join();

 private:
  struct State;
  std::shared_ptr<State> state_;  ///< shared with the tasks, whose ends may come after the scope's
};

}  // namespace smaster::net
