// What a bot's environment needs so that the hooks are loaded before it (packaging/hooks): its libraries ask
// before each login then.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace smaster::agent {

/// Where the hooks are: beside this program. Empty: they are not installed.
[[nodiscard]] std::filesystem::path hooks_folder();

/// Adds to `environment`, each NAME=VALUE, what has Node.js and Python load the hooks; what is there is kept.
void add_hooks(std::vector<std::string>& environment, const std::filesystem::path& folder);

}  // namespace smaster::agent
