// smaster join: makes this host a part of the fleet, with the line of smaster join-token.
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>

#include "agent/joining/join_client.hpp"
#include "agent/joining/unit.hpp"
#include "agent/shard_config.hpp"
#include "base/file.hpp"
#include "base/text.hpp"
#include "tool.hpp"

namespace {

using namespace smaster;
namespace fs = std::filesystem;

struct Flags {
  std::string line;
  std::string output;
  std::string token_file;
  std::string ca_file;
  std::string unit_dir = "/etc/systemd/system";
  std::vector<std::string> command;
  Millis timeout{30'000};
  bool systemd = false;
};

/// The user and group that a config is for.
struct Owner {
  uid_t user = 0;
  gid_t group = 0;
};

Result<std::optional<Owner>> owner_of(const std::string& user) {
  if (user.empty()) return std::optional<Owner>();
  errno = 0;
  const auto* const entry = ::getpwnam(user.c_str());
  if (entry == nullptr) {
    return fail(ErrorKind::unavailable,
                "smaster-agent@.service runs agents as the user " + user +
                    ", whom this host does not have; \"systemd-sysusers\" creates the "
                    "users of the package");
  }
  return std::optional(Owner{entry->pw_uid, entry->pw_gid});
}

Result<void> give_to(const fs::path& path, const std::optional<Owner>& owner) {
  if (!owner || ::chown(path.c_str(), owner->user, owner->group) == 0) return {};
  return fail(ErrorKind::cannot_create, path.string() + " cannot be given to the agents' user: " +
                                            std::strerror(errno) + "; run this as root");
}

/// Makes the folder if it is missing, and tries to write to it: after the server has registered the shard it
/// would be too late.
Result<void> prepare_folder(const fs::path& folder, const std::optional<Owner>& owner) {
  std::error_code ignored;
  if (!fs::exists(folder, ignored)) {
    if (auto made = make_private_folder(folder); !made) return made;
    if (auto given = give_to(folder, owner); !given) return given;
  }
  const auto trial = folder / (".smaster-join-" + std::to_string(::getpid()));
  auto tried = write_file(trial, std::string(16u << 10, '\n'), 0600, IfExists::replace);
  if (tried) tried = give_to(trial, owner);
  ::unlink(trial.c_str());
  return tried;
}

/// The agent's program is installed beside this one.
std::string agent_program() {
  std::error_code ignored;
  return (fs::read_symlink("/proc/self/exe", ignored).parent_path() / "smaster-agent").string();
}

/// The agent's flags without --config.
std::vector<std::string> agent_flags(const Flags& flags, const wire::JoinAnswer& answer) {
  std::vector<std::string> words;
  const auto add = [&words](const char* flag, const std::string& value) {
    words.emplace_back(flag);
    words.push_back(value);
  };
  if (!answer.host.empty()) add("--host", answer.host);
  if (answer.processes != 1) add("--processes", std::to_string(answer.processes));
  if (answer.shards_per_process != 1) add("--shards-per-process", std::to_string(answer.shards_per_process));
  if (!flags.token_file.empty()) add("--token-file", fs::absolute(flags.token_file).string());
  if (!flags.ca_file.empty()) add("--ca-file", fs::absolute(flags.ca_file).string());
  return words;
}

/// Agents prove themselves with the time: a wrong clock is said now.
void say_clock(Millis ahead) {
  const auto off = std::chrono::round<std::chrono::seconds>(std::chrono::abs(ahead));
  if (off < std::chrono::minutes(1)) return;
  tools::say("this machine's clock is " + format_duration(off) +
             (ahead > Millis{0} ? " ahead of" : " behind") +
             " the server's: agents may be refused; set it (timedatectl set-ntp true)");
}

/// Writes the config; it has the only copy of the key.
Result<void> write_config(const fs::path& path, const agent::Joined& joined,
                          const std::optional<Owner>& owner) {
  auto written = write_file(path, joined.config + '\n', 0600, IfExists::refuse);
  if (written) written = give_to(path, owner);
  if (written) {
    if (const auto loaded = agent::load_shard_config(path); !loaded) written = loaded.error();
  }
  if (written) return written;
  const auto& name = joined.answer.name.str();
  return fail(written.error().kind, written.error().message + "; shard " + name +
                                        " is registered without a config: \"smaster shards rm " + name +
                                        "\" on the server, and join with a new line");
}

int start_service(const tools::Tool& tool, const Flags& flags, const agent::Joined& joined,
                  const fs::path& path) {
  agent::UnitCommand unit;
  unit.agent = agent_flags(flags, joined.answer);
  unit.agent.insert(unit.agent.begin(), agent_program());
  unit.command = flags.command;
  unit.config = path;
  unit.folder = fs::current_path();
  const auto text = agent::drop_in(unit);
  if (!text) return tool.report(text.error());
  const auto enabled = agent::enable_unit(joined.answer.name, flags.unit_dir, *text);
  if (!enabled) return tool.report(enabled.error());
  const auto name = "smaster-agent@" + joined.answer.name.str();
  tools::say(name + ".service is enabled and started; its log: journalctl -u " + name);
  return tools::kDone;
}

/// Becomes the agent; does not return if that succeeds.
int become_agent(const tools::Tool& tool, std::vector<std::string> words,
                 const std::vector<std::string>& command) {
  const auto program = words.front();
  words.emplace_back("--");
  words.insert(words.end(), command.begin(), command.end());
  std::vector<char*> pointers;
  for (auto& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  ::execv(program.c_str(), pointers.data());
  return tool.report(
      fail(ErrorKind::cannot_create, program + " cannot be started: " + std::string(std::strerror(errno))));
}

/// A word as a shell reads it.
std::string for_shell(const std::string& word) {
  const auto plain =
      word.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:=@,+") ==
      std::string::npos;
  if (plain && !word.empty()) return word;
  std::string text = "'";
  for (const char c : word) text += c == '\'' ? "'\\''" : std::string(1, c);
  return text + '\'';
}

int join(const tools::Tool& tool, const Flags& flags) {
  if (flags.systemd && flags.command.empty()) {
    return tool.report(
        fail(ErrorKind::usage, "--systemd needs the bot's command, such as -- node /srv/bot/bot.js"));
  }
  auto text = flags.line;
  if (text == "-") {
    auto read = tools::read_input("-");
    if (!read) return tool.report(read.error());
    text = std::move(*read);
  }
  const auto line = wire::parse_join_line(text);
  if (!line) return tool.report(line.error());
  std::optional<Owner> owner;
  if (flags.systemd) {
    const auto unit = agent::look_at_unit();
    if (!unit) return tool.report(unit.error());
    auto found = owner_of(unit->user);
    if (!found) return tool.report(found.error());
    owner = *found;
  }
  const fs::path folder = fs::absolute(!flags.output.empty() ? flags.output
                                       : flags.systemd       ? "/etc/smaster/shards"
                                                             : ".");
  if (const auto ready = prepare_folder(folder, owner); !ready) return tool.report(ready.error());
  const agent::JoinOptions options{flags.ca_file, flags.timeout,
                                   [](const std::string& why) { tools::say(why); }};
  const auto joined = agent::join_fleet(*line, options);
  if (!joined) return tool.report(joined.error());
  const auto& name = joined->answer.name.str();
  const auto path = (folder / ("shard_" + name + "_config.json")).lexically_normal();
  if (const auto written = write_config(path, *joined, owner); !written) return tool.report(written.error());
  tools::print_line(path.string());
  say_clock(joined->ahead);
  if (flags.systemd) return start_service(tool, flags, *joined, path);
  auto words = agent_flags(flags, joined->answer);
  words.insert(words.begin(), {"--config", path.string()});
  if (!flags.command.empty()) {
    tools::say("this host has joined as shard " + name + "; its agent starts");
    words.insert(words.begin(), agent_program());
    return become_agent(tool, std::move(words), flags.command);
  }
  std::string next = "smaster agent";
  for (const auto& word : words) next += ' ' + for_shell(word);
  tools::say("this host has joined as shard " + name + "; next: " + next + " -- COMMAND");
  return tools::kDone;
}

}  // namespace

int main(int argc, char** argv) {
  tools::Tool tool("join", "Join the fleet with the line of smaster join-token",
                   "  smaster join LINE -- node bot.js\n"
                   "  smaster join LINE --systemd -- node /srv/bot/bot.js");
  Flags flags;
  tool.app.add_option("LINE", flags.line, "The line, or - for stdin")->required();
  tool.app.add_option("COMMAND", flags.command, "The bot's, behind --: start the agent with it")
      ->take_all()
      ->expected(0, -1);
  tool.app
      .add_option("--output", flags.output,
                  "Folder for the config (default: this one; /etc/smaster/shards with --systemd)")
      ->type_name("DIR");
  auto* const systemd =
      tool.app.add_flag("--systemd", flags.systemd, "Start the agent as a service, now and at each boot");
  tool.app.add_option("--unit-dir", flags.unit_dir, "Folder for the service's settings")
      ->type_name("DIR")
      ->capture_default_str()
      ->needs(systemd);
  tool.app.add_option("--token-file", flags.token_file, "For the agent: file with the bot's token")
      ->type_name("FILE");
  tool.app.add_option("--ca-file", flags.ca_file, "More certificate authorities to trust for https, PEM")
      ->type_name("FILE");
  (void)tools::add_duration(tool.app, "--timeout", flags.timeout, "How long to ask while no server leads");
  return tool.run(argc, argv, [&] { return join(tool, flags); });
}
