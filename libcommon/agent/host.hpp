// The agents of one process, from their configs to their end.
#pragma once

#include <filesystem>
#include <vector>

#include "agent/agent.hpp"
#include "base/result.hpp"

namespace smaster::agent {

/// Runs an agent for each config until a signal, or until the master has dismissed them all. bad_config for
/// what is wrong with a config; timed_out when another agent keeps one for longer than its bot could take to
/// end.
[[nodiscard]] Result<void> run_agents(const std::vector<std::filesystem::path>& configs,
                                      const AgentOptions& options);

/// What a check found, a line each.
struct Finding {
  enum class Verdict { good, bad, skipped };
  Verdict verdict = Verdict::good;
  std::string subject;  ///< "config", "keys", "connection", "clock", "files", "hooks"
  std::string sentence;
  ErrorKind kind = ErrorKind::internal;  ///< of a bad one
};

/// Proves config, keys, files, connection and clock without starting a bot.
[[nodiscard]] std::vector<Finding> check_agent(const std::filesystem::path& config,
                                               const AgentOptions& options);
/// Which libraries the bot of these options could load, and whether the hooks make them ask before they log in;
/// the bot is not run.
[[nodiscard]] Finding check_hooks(const AgentOptions& options);

}  // namespace smaster::agent
