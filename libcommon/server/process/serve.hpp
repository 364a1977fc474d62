// The whole server: what `smaster serve` runs.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "base/result.hpp"
#include "server/process/inherited_sockets.hpp"
#include "settings/settings.hpp"

namespace smaster::server {

struct ServeOptions {
  Settings settings;
  std::filesystem::path config;  ///< their file; empty: none
  /// Reads the settings again for a reload; an error keeps the old ones.
  std::function<Result<Settings>()> reload;
};

/// How serving ended: for good, or to start again with the same sockets.
struct Ended {
  std::optional<ListeningSockets> restart;
  bool again = false;        ///< start again in this process, to stand by
  bool handed_over = false;  ///< the lead was handed over on purpose
};

/// Serves until the server is stopped or restarted; blocks. An error says why it could not start or lead.
[[nodiscard]] Result<Ended> serve(ServeOptions options);

}  // namespace smaster::server
