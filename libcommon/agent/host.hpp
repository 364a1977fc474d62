// Runs the agents of one process.
#pragma once

#include <filesystem>
#include <vector>

#include "agent/agent.hpp"
#include "base/result.hpp"

namespace smaster::agent {

/// Runs an agent for each config until SIGTERM or SIGINT, or until the master has dismissed all of them.
/// Errors: bad_config for an invalid config; timed_out if another agent holds a config's lock for longer than
/// its bot may take to end.
[[nodiscard]] Result<void> run_agents(const std::vector<std::filesystem::path>& configs,
                                      const AgentOptions& options);

/// One result of a check.
struct Finding {
  enum class Verdict { good, bad, skipped };
  Verdict verdict = Verdict::good;
  std::string subject;  ///< "config", "keys", "connection", "clock", "files", "hooks"
  std::string sentence;
  ErrorKind kind = ErrorKind::internal;  ///< the kind of error if `verdict` is bad
};

/// Checks config, keys, files, connection and clock without starting a bot.
[[nodiscard]] std::vector<Finding> check_agent(const std::filesystem::path& config,
                                               const AgentOptions& options);
/// Checks which libraries the bot could load, and whether the hooks make them ask before each login. The bot
/// is not run.
[[nodiscard]] Finding check_hooks(const AgentOptions& options);

}  // namespace smaster::agent
