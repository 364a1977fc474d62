// Updates of the bot: the configured command runs here, then every shard is asked to update itself.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "net/program.hpp"
#include "net/task_scope.hpp"
#include "settings/settings.hpp"

namespace smaster::server {

/// The script that updates a shard, as in the original server.
inline constexpr std::string_view kUpdateScript = "this.runBotUpdate()";
/// True if a script that a shard broadcasts requests an update.
[[nodiscard]] bool is_update(std::string_view script);

class Update {
 public:
  struct Parts {
    net::asio::io_context& context;
    const Settings& settings;
  };
  explicit Update(const Parts& parts) : parts_(parts) {}

  /// Runs the command, if one is configured; logs each line of its output and passes it on. Errors:
  /// unavailable if an update is running, internal if the command fails; those of starting it.
  net::Task<Result<void>> run(net::OnLine on_line);

 private:
  const Parts parts_;
  net::Busy running_;
};

}  // namespace smaster::server
