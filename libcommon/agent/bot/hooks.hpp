// What a bot's environment needs so that the hooks are loaded before it (packaging/hooks): its libraries ask
// before each login then.
#pragma once

#include <boost/json/object.hpp>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace smaster::agent {

/// Where the hooks are: beside this program. Empty: they are not installed.
[[nodiscard]] std::filesystem::path hooks_folder();

/// Adds to `environment`, each NAME=VALUE, what has Node.js and Python load the hooks; what is there is kept.
void add_hooks(std::vector<std::string>& environment, const std::filesystem::path& folder);

/// What the hooks say of a library that a bot has loaded.
struct Library {
  std::string name;  ///< with its version: "discord.js 14.28.1"
  bool asks = false;
  std::string why;  ///< it does not ask; may be empty
  /// "discord.js 14.28.1", or "discord.js 14.28.1 (does not ask: this version is not known)".
  [[nodiscard]] std::string words() const;
};
/// As man 7 smaster-channel has it, `_sHooks`; nothing where it names no library. Long texts are cut.
[[nodiscard]] std::optional<Library> read_library(const boost::json::object& hello);

/// The command that only says on stdout, a line of JSON each, which libraries the bot of this command could
/// load and what the hooks can do for them, with SMASTER_HOOKS=survey in its environment. Empty: it is
/// neither Node.js nor Python.
[[nodiscard]] std::vector<std::string> survey_command(const std::vector<std::string>& bot,
                                                      const std::filesystem::path& folder);

}  // namespace smaster::agent
