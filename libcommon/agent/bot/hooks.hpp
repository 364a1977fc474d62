// Environment variables that preload the hooks (packaging/hooks) into a bot, so that its libraries ask before
// each login.
#pragma once

#include <boost/json/object.hpp>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace smaster::agent {

/// The folder of the hooks, beside this program; empty: not installed.
[[nodiscard]] std::filesystem::path hooks_folder();

/// Adds to `environment`, each NAME=VALUE, the variables that preload the hooks. Existing values are kept.
void add_hooks(std::vector<std::string>& environment, const std::filesystem::path& folder);

/// True if Node.js' permission model is on: it could not read the hooks, and the bot would not start.
[[nodiscard]] bool forbids_hooks(const std::vector<std::string>& command,
                                 const std::vector<std::string>& environment);

/// A library that the bot has loaded, as reported by the hooks.
struct Library {
  std::string name;  ///< with its version: "discord.js 14.28.1"
  bool asks = false;
  std::string why;  ///< why it does not ask; may be empty
  /// "discord.js 14.28.1", or "discord.js 14.28.1 (does not ask: this version is not known)".
  [[nodiscard]] std::string words() const;
};
/// Reads the `_sHooks` object of man 7 smaster-channel; nullopt if it names no library. Long texts are cut.
[[nodiscard]] std::optional<Library> read_library(const boost::json::object& hello);

/// A command that, run with SMASTER_HOOKS=survey, prints one JSON line for each library that the bot of this
/// command could load, and whether the hooks support it. Empty if the bot is neither Node.js nor Python.
[[nodiscard]] std::vector<std::string> survey_command(const std::vector<std::string>& bot,
                                                      const std::filesystem::path& folder);

}  // namespace smaster::agent
