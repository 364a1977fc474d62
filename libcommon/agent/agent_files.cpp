// Files between the master, this host's project directory and the bot. All file operations run on the pool's
// single thread, so that they keep their order.
#include <spdlog/spdlog.h>

#include <memory>
#include <utility>

#include "agent/agent.hpp"
#include "json/json.hpp"

namespace smaster::agent {
namespace {

namespace asio = net::asio;

/// Maximum size of a file, in bytes, independent of the master's limits.
constexpr std::size_t kMaxFile = 128u << 20;
constexpr Millis kFilePatience{300'000};
constexpr Millis kFilePause{20};
constexpr std::size_t kMostFiles = 256;

Outcome no_project_dir() {
  return error_outcome("Error", "this agent takes no files: it was started without --project-dir");
}

Outcome outcome_of(const Result<void>& result) {
  return result ? Outcome{true, "null"} : error_outcome("Error", result.error().message);
}

}  // namespace

void Agent::on_write_file(socketio::Arguments arguments, Answer answer) {
  if (shared_.project == nullptr) return answer(no_project_dir());
  auto event = wire::read_file_event(std::move(arguments));
  if (!event) return answer(error_outcome("TypeError", event.error().message));
  if (event->what == wire::FileEvent::What::keep) return answer({true, "null"});
  shared_.tasks.spawn("write a file", write_file(std::move(*event), answer), failed(answer));
}

net::Task<> Agent::write_file(wire::FileEvent event, Answer answer) {
  const bool writes = event.what == wire::FileEvent::What::write;
  const auto written = co_await net::run_in(shared_.pool, [this, &event, writes] {
    return writes ? shared_.project->write(event.file.name, event.data, event.file.mtime)
                  : shared_.project->remove(event.file.name);
  });
  if (written) {
    spdlog::info("{}: the master {} {}", tag(), writes ? "wrote" : "removed", event.file.name);
  } else {
    spdlog::warn("{}: a file of the master's is refused: {}", tag(), written.error().message);
  }
  answer(outcome_of(written));
}

/// Returns the handler that fails `answer` when a task throws.
std::function<void()> Agent::failed(const Answer& answer) {
  return [answer] {
    answer(error_outcome("Error", "it failed in a way that should not happen; the agent's log says more"));
  };
}

void Agent::on_get_file(const socketio::Arguments& arguments, Answer answer) {
  auto named = arguments.json.empty() ? std::nullopt : wire::read_file_name(arguments.json.front());
  if (!named) return answer(error_outcome("TypeError", "getFile takes a name, or {filename, mtime}"));
  shared_.tasks.spawn("send a file", send_file(std::move(named->name), answer), failed(answer));
}

/// Sends a file of the project directory to the master.
net::Task<> Agent::send_file(std::string name, Answer answer) {
  if (shared_.project == nullptr) {
    answer(no_project_dir());
    co_return;
  }
  if (files_ >= kMostFiles) {
    answer(error_outcome("Error", "too many files are being sent; send more when some have arrived"));
    co_return;
  }
  const auto counted =
      std::unique_ptr<std::size_t, void (*)(std::size_t*)>(&++files_, [](auto* files) { --*files; });
  // One after another: many files would be in memory before the first is on its way.
  net::Timer pause(shared_.context.get_executor());
  while (sending_file_ || !bot_may_speak()) {
    pause.expires_after(kFilePause);
    co_await pause.async_wait(net::use_task);
  }
  const auto sending = sending_file_.begin();
  const auto file =
      co_await net::run_in(shared_.pool, [this, &name] { return shared_.project->read(name, kMaxFile); });
  if (!file) {
    answer(error_outcome("Error", file.error().message));
    co_return;
  }
  Demand demand{"writeFile",
                {json::quote(name), R"({"_placeholder":true,"num":0})"},
                {file->data},
                kFilePatience,
                std::move(answer)};
  requests_.send_or_keep(std::move(demand));
}

/// Called when the master has answered a getFile. Its writeFile event came before and is queued in the pool:
/// waits for it, then answers.
net::Task<> Agent::finish_get_file(Outcome outcome, Answer answer) {
  co_await net::run_in(shared_.pool, [] { return true; });
  answer(outcome);
}

}  // namespace smaster::agent
