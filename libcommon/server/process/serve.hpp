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

/// How serving ended: for good, or to begin anew with the same sockets.
struct Ended {
  std::optional<ListeningSockets> restart;
  bool again = false;        ///< in this process: a server that led stands by from now on
  bool handed_over = false;  ///< the lead, on purpose
};

/// Serves until it is told to stop or to restart; an error says why it could not start.
[[nodiscard]] Result<Ended> serve(ServeOptions options);

}  // namespace smaster::server
