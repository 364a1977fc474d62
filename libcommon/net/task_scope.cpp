#include "net/task_scope.hpp"

#include <spdlog/spdlog.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <exception>
#include <list>

#include "net/event.hpp"

namespace smaster::net {
namespace {

/// The message of an exception.
std::string describe(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const std::exception& error) {
    return error.what();
  } catch (...) {
    return "an exception of an unknown type";
  }
}

bool is_cancellation(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const boost::system::system_error& error) {
    return error.code() == asio::error::operation_aborted;
  } catch (...) {
    return false;
  }
}

constexpr std::chrono::seconds kStartAgain{1};

void log_failure(const std::string& owner, std::string_view task, const std::exception_ptr& failure) {
  spdlog::error("{}: the task \"{}\" failed: {}", owner, task, describe(failure));
}

Task<> run_again_and_again(std::string owner, std::string name, std::function<Task<>()> make) {
  while (true) {
    std::exception_ptr failure;
    try {
      co_await make();
      co_return;
    } catch (...) {
      failure = std::current_exception();
    }
    const auto cancellation = co_await asio::this_coro::cancellation_state;
    if (cancellation.cancelled() != asio::cancellation_type::none) co_return;
    log_failure(owner, name, failure);
    Timer pause(co_await asio::this_coro::executor, kStartAgain);
    co_await pause.async_wait(use_task);
  }
}

}  // namespace

struct TaskScope::State {
  struct Entry {
    std::string name;
    asio::cancellation_signal signal;
  };

  State(const Executor& executor_, std::string owner_)
      : executor(executor_), owner(std::move(owner_)), all_ended(executor_) {}

  Executor executor;
  std::string owner;
  std::list<Entry> running;
  bool cancelled = false;
  Event all_ended;
};

TaskScope::TaskScope(Executor executor, std::string owner)
    : state_(std::make_shared<State>(executor, std::move(owner))) {}

TaskScope::~TaskScope() { cancel(); }

void TaskScope::spawn(std::string_view name, Task<> task, Recover recover) {
  if (state_->cancelled) return;
  auto& running = state_->running;
  const auto entry = running.emplace(running.end());
  entry->name = name;
  auto ended = [state = state_, entry, recover = std::move(recover)](const std::exception_ptr& failure) {
    const auto task_name = std::move(entry->name);
    state->running.erase(entry);
    if (state->running.empty()) state->all_ended.notify();
    if (!failure) return;
    if (!state->cancelled || !is_cancellation(failure)) log_failure(state->owner, task_name, failure);
    if (recover && !state->cancelled) recover();
  };
  asio::co_spawn(state_->executor, std::move(task),
                 asio::bind_cancellation_slot(entry->signal.slot(), std::move(ended)));
}

void TaskScope::keep_running(std::string_view name, std::function<Task<>()> make) {
  spawn(name, run_again_and_again(state_->owner, std::string(name), std::move(make)));
}

std::size_t TaskScope::running() const { return state_->running.size(); }

void TaskScope::cancel() {
  if (std::exchange(state_->cancelled, true) || state_->running.empty()) return;
  // Posted, because the caller may be one of the tasks.
  asio::post(state_->executor, [state = state_] {
    for (auto& entry : state->running) entry.signal.emit(asio::cancellation_type::terminal);
  });
}

Task<> TaskScope::join() {
  const auto state = state_;
  cancel();
  while (!state->running.empty()) co_await state->all_ended.wait();
}

}  // namespace smaster::net
