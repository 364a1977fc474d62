// The whole server: what `smaster serve` runs.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "base/result.hpp"
#include "server/settings.hpp"

namespace smaster::server {

struct ServeOptions {
  Settings settings;
  /// Reads the settings again for a reload; an error keeps the old ones.
  std::function<Result<Settings>()> reload;
};

/// Serves until it is told to stop; an error says why it could not start.
[[nodiscard]] Result<void> serve(ServeOptions options);

}  // namespace smaster::server
