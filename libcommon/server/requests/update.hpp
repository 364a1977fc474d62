// Updates of the bot: the configured command runs here, then every shard is asked to update itself.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "net/program.hpp"
#include "net/task_scope.hpp"
#include "settings/settings.hpp"

namespace smaster::server {

/// What shards are asked to run; the original's.
inline constexpr std::string_view kUpdateScript = "this.runBotUpdate()";
/// Whether a script that a shard broadcasts is such a request.
[[nodiscard]] bool is_update(std::string_view script);

class Update {
 public:
  struct Parts {
    net::asio::io_context& context;
    const Settings& settings;
  };
  explicit Update(const Parts& parts) : parts_(parts) {}

  /// Runs the command, if one is configured; each line of its output is logged and handed on. An error says
  /// that it cannot be started, has failed, or runs already.
  net::Task<Result<void>> run(net::OnLine on_line);

 private:
  const Parts parts_;
  net::Busy running_;
};

}  // namespace smaster::server
