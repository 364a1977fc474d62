// Files between the master, this host's project directory and the bot. Everything goes through the pool's one
// thread, so that what was asked for first is done first.
#include <spdlog/spdlog.h>

#include <boost/asio/detached.hpp>
#include <utility>

#include "agent/agent.hpp"
#include "json/json.hpp"

namespace smaster::agent {
namespace {

namespace asio = net::asio;

/// What one message may carry, whatever the master's limit is.
constexpr std::size_t kMaxFile = 128u << 20;
constexpr Millis kFilePatience{300'000};

Outcome no_project_dir() {
  return error_outcome("Error", "this agent takes no files: it was started without --project-dir");
}

Outcome outcome_of(const Result<void>& result) {
  return result ? Outcome{true, "null"} : error_outcome("Error", result.error().message);
}

/// A file's name, and its time if one came with it.
struct Named {
  std::string name;
  std::optional<std::int64_t> mtime;
};

std::optional<Named> read_name(std::string_view json) {
  if (auto name = json::unquote(json)) return Named{std::move(*name), std::nullopt};
  const auto value = json::parse(json);
  if (!value || !value->is_object()) return std::nullopt;
  Named named;
  std::int64_t mtime = -1;
  json::read(value->get_object(), "filename", named.name);
  json::read(value->get_object(), "mtime", mtime);
  if (mtime >= 0) named.mtime = mtime;
  return named.name.empty() ? std::nullopt : std::optional(std::move(named));
}

}  // namespace

void Agent::on_write_file(socketio::Arguments arguments, Answer answer) {
  if (shared_.project == nullptr) return answer(no_project_dir());
  auto named = arguments.json.empty() ? std::nullopt : read_name(arguments.json.front());
  if (!named) return answer(error_outcome("TypeError", "writeFile takes a name, or {filename, mtime}"));
  const auto data_json = arguments.json.size() < 2 ? "null" : arguments.json[1];
  std::optional<std::string> data;
  if (!arguments.attachments.empty()) {
    data = std::move(arguments.attachments.front());
  } else if (data_json != "null") {
    data = json::unquote(data_json);
    if (!data) return answer(error_outcome("TypeError", "writeFile takes text, bytes or null"));
  } else if (named->mtime) {
    // The answer to a getFile: the file does not exist at the master, or ours is newer. Ours stays.
    return answer({true, "null"});
  }
  const auto mtime = named->mtime ? std::optional(from_unix_ms(*named->mtime)) : std::nullopt;
  asio::co_spawn(shared_.context,
                 write_file(std::move(named->name), std::move(data), mtime, std::move(answer)),
                 asio::detached);
}

net::Task<> Agent::write_file(std::string name, std::optional<std::string> data, std::optional<Time> mtime,
                              Answer answer) {
  const auto written = co_await net::run_in(shared_.pool, [this, &name, &data, &mtime] {
    return data ? shared_.project->write(name, *data, mtime) : shared_.project->remove(name);
  });
  if (written) {
    spdlog::info("{}: the master {} {}", tag(), data ? "wrote" : "removed", name);
  } else {
    spdlog::warn("{}: a file of the master's is refused: {}", tag(), written.error().message);
  }
  answer(outcome_of(written));
}

void Agent::on_get_file(const socketio::Arguments& arguments, Answer answer) {
  auto named = arguments.json.empty() ? std::nullopt : read_name(arguments.json.front());
  if (!named) return answer(error_outcome("TypeError", "getFile takes a name, or {filename, mtime}"));
  asio::co_spawn(shared_.context, send_file(std::move(named->name), std::move(answer)), asio::detached);
}

/// Sends one of our files to the master, whoever asked for it.
net::Task<> Agent::send_file(std::string name, Answer answer) {
  if (shared_.project == nullptr) {
    answer(no_project_dir());
    co_return;
  }
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

/// The master has answered a getFile; its writeFile came before, and is being done.
net::Task<> Agent::finish_get_file(Outcome outcome, Answer answer) {
  co_await net::run_in(shared_.pool, [] { return true; });
  answer(outcome);
}

}  // namespace smaster::agent
