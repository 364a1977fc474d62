// smaster agent: runs a bot on this host for each shard config.
#include <cstdlib>

#include "agent/host.hpp"
#include "agent/shard_config.hpp"
#include "base/file.hpp"
#include "base/text.hpp"
#include "log/log.hpp"
#include "tool.hpp"
#include "wire/join/join_messages.hpp"

extern char** environ;

namespace {

using namespace smaster;

/// True for variables that belong to the agent itself and are not passed on to its bot.
bool ours(std::string_view variable) {
  for (const std::string_view name :
       {"SHARDS=", "SHARD_ID=", "SHARD_COUNT=", "SHARDING_", "NODE_CHANNEL_",
        "SMASTER_CHANNEL_FD=", "SMASTER_IDENTIFY_URL=", "NOTIFY_SOCKET=", "DISCORD_TOKEN="}) {
    if (variable.starts_with(name)) return true;
  }
  return false;
}

/// The environment of the bot: ours, and the token from the file, else from our environment.
Result<std::vector<std::string>> bot_environment(const std::string& token_file) {
  std::vector<std::string> variables;
  for (char** at = environ; *at != nullptr; ++at) {
    if (!ours(*at)) variables.emplace_back(*at);
  }
  std::string token;
  if (!token_file.empty()) {
    auto text = read_any_file(token_file);
    if (!text) return fail(ErrorKind::bad_config, text.error().message);
    if (agent::open_to_others(token_file)) {
      return fail(ErrorKind::bad_config, token_file + " can be read by others; chmod 600 it");
    }
    token = trim(*text);
    if (token.empty())
      return fail(ErrorKind::bad_config, token_file + " is empty; it is to hold the bot's token");
  } else if (const char* const given = std::getenv("DISCORD_TOKEN")) {
    token = given;
  }
  if (!token.empty()) variables.push_back("DISCORD_TOKEN=" + token);
  return variables;
}

int check(const std::vector<std::filesystem::path>& configs, const agent::AgentOptions& options) {
  int code = tools::kDone;
  const auto show = [&code](const agent::Finding& finding) {
    const bool bad = finding.verdict == agent::Finding::Verdict::bad;
    tools::print_line(std::string(bad                                                ? "FAILED  "
                                  : finding.verdict == agent::Finding::Verdict::good ? "ok      "
                                                                                     : "skipped ") +
                      finding.subject + std::string(12 - finding.subject.size(), ' ') + finding.sentence);
    if (bad && code == tools::kDone) code = tools::exit_code(finding.kind);
  };
  for (const auto& config : configs) {
    for (const auto& finding : agent::check_agent(config, options)) show(finding);
  }
  show(agent::check_hooks(options));
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  tools::Tool tool("agent", "Run a bot on this host as a shard",
                   "  smaster agent --config shard_abc_config.json --token-file token -- node bot.js\n"
                   "  smaster agent --check --config shard_abc_config.json");
  std::vector<std::filesystem::path> configs;
  agent::AgentOptions options;
  std::string token_file;
  std::string level = "info";
  std::string project_dir;
  std::string log_dir;
  std::uint64_t log_mebibytes = options.log_limits.size >> 20;
  bool only_check = false;
  tool.app.add_option("--config", configs, "A shard's config; each gets a bot")
      ->type_name("FILE")
      ->take_all()
      ->expected(1)
      ->allow_extra_args(false)
      ->required();
  tool.app.add_flag("--check", only_check, "Only try config, keys, files, hooks, connection, clock");
  tool.app.add_option("--token-file", token_file, "File with the bot's token, else $DISCORD_TOKEN")
      ->type_name("FILE");
  tool.app.add_option("--project-dir", project_dir, "Where files from the master go, and nowhere else")
      ->type_name("DIR");
  tool.app.add_option("--processes", options.processes, "Bot processes for each config")
      ->type_name("N")
      ->check(CLI::Range(std::int64_t{1}, wire::kMostProcesses))
      ->capture_default_str();
  tool.app
      .add_option("--shards-per-process", options.shards_per_process,
                  "Shard ids that one process takes at most")
      ->type_name("N")
      ->check(CLI::Range(std::int64_t{1}, wire::kMostShardsPerProcess))
      ->capture_default_str();
  tool.app.add_option("--host", options.host, "What the master calls this host")
      ->type_name("LABEL")
      ->check([](const std::string& label) {
        return std::string(tools::is_label(label) ? "" : tools::kLabelRule);
      });
  tool.app.add_flag("!--no-hooks", options.hooks, "Load no hooks into bots: they log in without asking");
  tool.app.add_flag("--prefix", options.prefix, "Begin each line of a bot's output with its shard");
  tool.app
      .add_option("--log-lines", options.log_lines, "Lines of each bot's output to keep, for smaster logs")
      ->type_name("N")
      ->check(CLI::Range(0, 100'000))
      ->capture_default_str();
  tool.app.add_option("--log-dir", log_dir, "Folder for files with the bots' output; default: none")
      ->type_name("DIR");
  tool.app.add_option("--log-size", log_mebibytes, "MiB at which such a file is compressed")
      ->type_name("N")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  (void)tools::add_duration(tool.app, "--log-age", options.log_limits.age, "Age at which they are removed");
  (void)tools::add_duration(tool.app, "--grace", options.grace,
                            "From SIGTERM to SIGKILL when a bot is stopped");
  (void)tools::add_duration(tool.app, "--restart-delay", options.life.restart_delay,
                            "First pause after a bot died");
  (void)tools::add_duration(tool.app, "--restart-delay-max", options.life.restart_delay_max,
                            "Longest pause after a bot died");
  tool.app.add_option("--ca-file", options.ca_file, "More certificate authorities to trust for https, PEM")
      ->type_name("FILE");
  tool.app.add_option("--log-level", level, "How much to log")
      ->type_name("LEVEL")
      ->check(CLI::IsMember({"debug", "info", "warn", "error"}))
      ->capture_default_str();
  tool.app.prefix_command();  // all words from the first one that is no flag of ours on are the bot's command

  return tool.run(argc, argv, [&] {
    log::set_up(log::Format::text, *log::parse_level(level));

    options.command = tool.app.remaining();
    if (!options.command.empty() && options.command.front() == "--") {
      options.command.erase(options.command.begin());
    } else if (!options.command.empty() && options.command.front().starts_with('-')) {
      return tool.report(fail(ErrorKind::usage, "no flag is called " + options.command.front() +
                                                    "; see \"smaster agent --help\""));
    }
    if (!project_dir.empty()) options.project_dir = project_dir;
    if (!log_dir.empty()) options.log_dir = log_dir;
    options.log_limits.size = log_mebibytes << 20;
    if (options.log_dir && options.log_lines == 0) {
      return tool.report(fail(ErrorKind::usage, "--log-dir needs lines: give no --log-lines 0"));
    }
    if (only_check) return check(configs, options);
    if (options.command.empty()) {
      return tool.report(
          fail(ErrorKind::usage, "which bot? Put its command behind --, such as -- node bot.js"));
    }
    auto environment = bot_environment(token_file);
    if (!environment) return tool.report(environment.error());
    options.environment = std::move(*environment);
    const auto run = agent::run_agents(configs, options);
    return run ? static_cast<int>(tools::kDone) : tool.report(run.error());
  });
}
