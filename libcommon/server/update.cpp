#include "server/update.hpp"

#include <spdlog/spdlog.h>

#include <utility>

#include "server/core.hpp"

namespace smaster::server {

bool is_update(std::string_view script) {
  return script.starts_with(kUpdateScript.substr(0, kUpdateScript.size() - 1));
}

net::Task<Result<void>> Update::run(net::OnLine on_line) {
  const auto& settings = core_.settings;
  if (settings.update_command.empty()) co_return Result<void>();
  if (running_) co_return fail(ErrorKind::unavailable, "an update runs already");
  running_ = true;

  net::Program program;
  program.command = settings.update_command;
  program.folder = settings.project_dir;
  program.timeout = settings.update_timeout;
  net::OnLine log = [on_line = std::move(on_line)](net::Output from, std::string_view line) {
    spdlog::info("update: {}", line);
    on_line(from, line);
  };
  auto started = program;
  const auto ended = co_await net::run_program(core_.context, std::move(started), std::move(log));
  running_ = false;
  if (!ended) co_return ended.error();
  if (!ended->ok()) {
    co_return fail(ErrorKind::internal, program.command.front() + " ended with " + ended->text(program));
  }
  spdlog::info("update: {} has ended well", program.command.front());
  co_return Result<void>();
}

}  // namespace smaster::server
