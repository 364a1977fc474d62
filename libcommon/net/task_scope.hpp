// Ownership of coroutines that a component starts without waiting for them.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "net/asio.hpp"

namespace smaster::net {

/// A flag that says whether an operation is in progress; set while the guard from `begin` lives. The guard
/// clears it however the operation ends (return, exception, destruction of the coroutine), and may outlive
/// the Busy object. At most one guard should exist at a time.
class Busy {
 public:
  /// Clears the flag on destruction.
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

/// Owns the coroutines that a component starts: each has a name, its exceptions are logged, and all are
/// cancelled when the scope ends. A task must keep alive, or be a member of, all that it uses; otherwise the
/// owner must join the scope first. Use on the context's thread only.
class TaskScope {
 public:
  /// Called after a task's exception was logged, to recover. Not called for cancelled tasks.
  using Recover = std::function<void()>;

  /// `owner`: the component's name in the log.
  TaskScope(Executor executor, std::string owner);
  TaskScope(const TaskScope&) = delete;
  TaskScope& operator=(const TaskScope&) = delete;
  ~TaskScope();

  /// Starts a task. It runs until its first suspension inside this call, but never ends inside it. `recover`
  /// must not throw.
  void spawn(std::string_view name, Task<> task, Recover recover = {});
  /// Starts a task that is to run until it returns or the scope ends. After an exception, which is logged, a
  /// new one is made one second later.
  void keep_running(std::string_view name, std::function<Task<>()> make);
  [[nodiscard]] std::size_t running() const;
  /// Cancels all tasks: their pending operations end with operation_aborted. Tasks spawned later are not
  /// started.
  void cancel();
  /// Cancels all tasks and waits for their ends. Must not be called by one of them.
  Task<> join();

 private:
  struct State;
  std::shared_ptr<State> state_;  ///< shared with the tasks, which may outlive the scope
};

}  // namespace smaster::net
