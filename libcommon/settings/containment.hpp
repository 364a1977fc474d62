// What shards can neither read nor write, though it may lie in their project_dir: what this server trusts,
// and what it executes. Every setting that names a file of the server's has its line here.
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

/// bad_config where no guard helps: project_dir holds everything that the server, or its user's login, lives
/// on.
[[nodiscard]] Result<void> check_project_dir(const Settings& settings);

/// What the operator should know about project_dir, a sentence each.
[[nodiscard]] std::vector<std::string> project_dir_notes(const Settings& settings,
                                                         const std::filesystem::path& settings_file);

}  // namespace smaster::server
