// systemd's unit of an agent: smaster-agent@NAME.service, with a drop-in that has the command of this one.
// Blocks.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/types.hpp"

namespace smaster::agent {

/// What systemd knows of smaster-agent@.service.
struct InstalledUnit {
  std::string user;  ///< whom the agents run as; empty: root
};
/// Errors: unavailable without systemd or without the unit, with the remedy.
[[nodiscard]] Result<InstalledUnit> look_at_unit();

struct UnitCommand {
  std::vector<std::string> agent;    ///< the agent's program and flags
  std::vector<std::string> command;  ///< the bot's
  std::filesystem::path config;
  std::filesystem::path folder;  ///< where the bot runs, if its user may enter it
};
/// The drop-in's text. bad_data if a word has a control character, which systemd cannot take.
[[nodiscard]] Result<std::string> drop_in(const UnitCommand& unit);

/// Writes the drop-in below `folder`, such as /etc/systemd/system, and enables and starts the unit. Errors
/// say what failed and how to repeat it.
[[nodiscard]] Result<void> enable_unit(const ShardName& name, const std::filesystem::path& folder,
                                       const std::string& text);

}  // namespace smaster::agent
