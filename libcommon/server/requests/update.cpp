#include "server/requests/update.hpp"

#include <spdlog/spdlog.h>

#include <cstdlib>
#include <utility>

namespace smaster::server {

bool is_update(std::string_view script) {
  return script.starts_with(kUpdateScript.substr(0, kUpdateScript.size() - 1));
}

net::Task<Result<void>> Update::run(net::OnLine on_line) {
  const auto& settings = parts_.settings;
  if (settings.update_command.empty()) co_return Result<void>();
  if (running_) co_return fail(ErrorKind::unavailable, "an update runs already");
  const auto busy = running_.begin();

  net::Program program;
  program.command = settings.update_command;
  program.folder = settings.project_dir;
  program.timeout = settings.update_timeout;
  // Shards may write files that make up a bare repository, whose settings run programs (git(1),
  // safe.bareRepository). The content of .git is protected (files/guard.hpp).
  if (std::getenv("GIT_CONFIG_COUNT") == nullptr) {  // NOLINT(concurrency-mt-unsafe): nothing sets it
    program.env = {{"GIT_CONFIG_COUNT", "1"},
                   {"GIT_CONFIG_KEY_0", "safe.bareRepository"},
                   {"GIT_CONFIG_VALUE_0", "explicit"}};
  }
  net::OnLine log = [on_line = std::move(on_line)](net::Output from, std::string_view line) {
    spdlog::info("update: {}", line);
    on_line(from, line);
  };
  auto started = program;
  const auto ended = co_await net::run_program(parts_.context, std::move(started), std::move(log));
  if (!ended) co_return ended.error();
  if (!ended->ok()) {
    co_return fail(ErrorKind::internal, program.command.front() + " ended with " + ended->text(program));
  }
  spdlog::info("update: {} has ended well", program.command.front());
  co_return Result<void>();
}

}  // namespace smaster::server
