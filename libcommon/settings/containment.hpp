// Files that shards can neither read nor write, even if they are in project_dir: those that this server
// trusts or executes. Every setting that names a file of the server has a line here.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "files/guard.hpp"
#include "settings/settings.hpp"

namespace smaster::server {

/// `settings_file`: empty for none.
[[nodiscard]] files::Guard guard_for_shards(const Settings& settings,
                                            const std::filesystem::path& settings_file);

/// bad_config if project_dir is state_dir or the whole file system, or contains the user's home folder: no
/// guard helps there.
[[nodiscard]] Result<void> check_project_dir(const Settings& settings);

/// Warnings about project_dir for the operator, one sentence each.
[[nodiscard]] std::vector<std::string> project_dir_notes(const Settings& settings,
                                                         const std::filesystem::path& settings_file);

}  // namespace smaster::server
