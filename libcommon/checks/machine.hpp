// Checks of this machine and of the settings, which need no running server: the server runs them in its own
// place, and `smaster doctor` itself while no server answers. Blocks.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/types.hpp"
#include "checks/finding.hpp"
#include "settings/settings.hpp"

namespace smaster::checks {

/// Reads a settings file, as `smaster config check` does. `defaults`: what the file may leave out.
[[nodiscard]] Result<server::Settings> read_settings(const std::filesystem::path& file,
                                                     server::Settings defaults);

/// Whether the settings file can be used. `file`: empty for none.
[[nodiscard]] Finding check_settings_file(const std::filesystem::path& file);

/// All checks of this machine. `file`: where the settings are from; empty: no file.
[[nodiscard]] std::vector<Finding> check_machine(const server::Settings& settings,
                                                 const std::filesystem::path& file, Time now);

// The single checks:

/// Permissions of secrets: keys, configs, the store, token, passwords, also those in the settings file.
[[nodiscard]] Finding check_permissions(const server::Settings& settings, const std::filesystem::path& file);
/// Space on the file systems of state_dir and project_dir.
[[nodiscard]] Finding check_disk(const server::Settings& settings);
/// Certificates: valid now and for some more days, with their keys, for the host that configs name.
[[nodiscard]] Finding check_certificates(const server::Settings& settings, Time now);
/// The file with the bot's token.
[[nodiscard]] Finding check_token_file(const server::Settings& settings);
/// Addresses, proxies and encryption.
[[nodiscard]] Finding check_network(const server::Settings& settings);
/// Times that contradict each other.
[[nodiscard]] Finding check_times(const server::Settings& settings);
/// Programs that settings name: whether they can be run.
[[nodiscard]] Finding check_programs(const server::Settings& settings);
/// What shards could change in project_dir.
[[nodiscard]] Finding check_project(const server::Settings& settings, const std::filesystem::path& file);

/// This process' limits of memory, processes and file sizes. `group`: the folder of its control group; empty:
/// none.
[[nodiscard]] Finding check_limits(const std::filesystem::path& group);
/// The folder of this process' control group; empty: unknown.
[[nodiscard]] std::filesystem::path own_group();

}  // namespace smaster::checks
