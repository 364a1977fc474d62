// `smaster agent --check`: tests everything that an agent needs, without a bot.
#include <unistd.h>

#include "agent/bot/hooks.hpp"
#include "agent/config_lock.hpp"
#include "agent/host.hpp"
#include "json/json.hpp"
#include "net/program.hpp"

namespace smaster::agent {
namespace {

namespace asio = net::asio;
using Verdict = Finding::Verdict;

constexpr Millis kPatience{30'000};

/// Waits for the first event of an uplink.
class Listener final : public UplinkOwner {
 public:
  explicit Listener(asio::io_context& context) : context_(context) {}
  void uplink_up(Millis ahead_) override {
    up = true;
    ahead = ahead_;
    context_.stop();
  }
  void uplink_down(const std::string& why_, std::optional<Millis> ahead_) override {
    if (up) return;  // caused by our own disconnect
    why = why_;
    ahead = ahead_;
    context_.stop();
  }
  void uplink_refused(const std::string& why_) override {
    why = why_;
    context_.stop();
  }
  void uplink_heard() override {}
  void uplink_event(std::string_view, std::optional<socketio::AckId>, socketio::Arguments) override {}

  bool up = false;
  std::string why = "nothing came of it in time";
  std::optional<Millis> ahead;

 private:
  asio::io_context& context_;
};

Finding check_files(const AgentOptions& options) {
  if (!options.project_dir)
    return {Verdict::skipped, "files", "no --project-dir: this agent takes no files", {}};
  const auto folder = files::Folder::open(*options.project_dir);
  if (!folder) return {Verdict::bad, "files", folder.error().message, folder.error().kind};
  const auto name = ".smaster-check-" + std::to_string(::getpid());
  auto tried = folder->write(name, "", std::nullopt);
  if (tried) tried = folder->remove(name);
  if (!tried) return {Verdict::bad, "files", tried.error().message, ErrorKind::cannot_create};
  return {Verdict::good, "files", options.project_dir->string() + " can be written", {}};
}

void check_connection(const ShardConfig& config, const AgentOptions& options, const Identity& identity,
                      std::vector<Finding>& findings) {
  using Tls = std::shared_ptr<asio::ssl::context>;
  const auto tls = config.tls() ? net::client_tls_context(options.ca_file) : Result<Tls>(Tls{});
  if (!tls) {
    findings.push_back({Verdict::bad, "connection", tls.error().message, tls.error().kind});
    return;
  }
  asio::io_context context{1};
  asio::thread_pool pool{1};
  Listener listener(context);
  auto masters = std::make_shared<LeaderLookup>(context, config.masters, *tls);
  Uplink uplink(context, pool, {config, 0, std::move(masters), introduction(options, identity, true)},
                listener);
  net::TaskScope tasks(context.get_executor(), "check");
  tasks.spawn("connect", uplink.run());
  context.run_for(kPatience);
  pool.join();
  if (listener.up) {
    findings.push_back({Verdict::good,
                        "connection",
                        uplink.master().url() + " by " + (uplink.polling() ? "polling" : "websocket") +
                            "; the master has proved itself",
                        {}});
    uplink.stop();
    context.restart();
    context.run_for(Millis{200});  // time for the disconnect to be sent
  } else {
    findings.push_back({Verdict::bad, "connection", listener.why, ErrorKind::unavailable});
  }
  if (listener.ahead) {
    const bool off = std::chrono::abs(*listener.ahead) > kProofPrecision;
    findings.push_back({off ? Verdict::bad : Verdict::good, "clock",
                        "this machine's is " + clock_words(*listener.ahead) + " the master's",
                        ErrorKind::bad_config});
  } else {
    findings.push_back({Verdict::skipped, "clock", "nothing is known of the master's", {}});
  }
}

}  // namespace

Finding check_hooks(const AgentOptions& options) {
  const auto skipped = [](std::string why) { return Finding{Verdict::skipped, "hooks", std::move(why), {}}; };
  if (!options.hooks) return skipped("--no-hooks: bots are left alone");
  if (options.command.empty()) return skipped("no COMMAND: put the bot's behind --");
  if (forbids_hooks(options.command, options.environment)) {
    return skipped("Node.js' permission model keeps the bot from reading them: its starts wait instead");
  }
  const auto folder = hooks_folder();
  if (folder.empty())
    return {Verdict::bad, "hooks", "they are not installed beside this program", ErrorKind::unavailable};
  net::Program program;
  program.command = survey_command(options.command, folder);
  program.env = {{"SMASTER_HOOKS", "survey"}};
  if (program.command.empty()) {
    return skipped(
        options.command.front() +
        " is neither node nor python: such a bot asks by itself, see man 7 smaster-identify, or its "
        "starts wait instead");
  }
  asio::io_context context{1};
  std::string found;
  Result<net::Ended> ended = fail(ErrorKind::internal, "it was not run");
  net::OnLine on_line = [&found](net::Output from, std::string_view line) {
    const auto value = from == net::Output::out ? json::parse(line) : json::parse("{}");
    const auto* const hello =
        value && value->is_object() ? value->get_object().if_contains("_sHooks") : nullptr;
    const auto library =
        hello != nullptr && hello->is_object() ? read_library(hello->get_object()) : std::nullopt;
    if (library) found += (found.empty() ? "" : ", ") + library->words();
  };
  net::TaskScope tasks(context.get_executor(), "check");
  tasks.spawn("survey",
              [](asio::io_context& context, net::Program& program, net::OnLine& on_line,
                 Result<net::Ended>& ended) -> net::Task<> {
                ended = co_await net::run_program(context, program, on_line);
              }(context, program, on_line, ended));
  context.run();
  if (!ended) return {Verdict::bad, "hooks", ended.error().message, ended.error().kind};
  if (!ended->ok()) {
    return {Verdict::bad, "hooks", options.command.front() + " did not load them: " + ended->text(program),
            ErrorKind::unavailable};
  }
  if (found.empty()) {
    return skipped("no library that they know is found from " + program.command.back());
  }
  return {Verdict::good, "hooks", std::move(found), {}};
}

std::vector<Finding> check_agent(const std::filesystem::path& path, const AgentOptions& options) {
  std::vector<Finding> findings;
  const auto config = load_shard_config(path);
  if (!config) {
    findings.push_back({Verdict::bad, "config", config.error().message, config.error().kind});
    return findings;
  }
  findings.push_back({open_to_others(path) ? Verdict::bad : Verdict::good, "config",
                      path.string() + ": shard " + config->name.str() +
                          (open_to_others(path) ? "; others can read it: chmod 600 it" : ", private"),
                      ErrorKind::bad_config});
  findings.push_back(
      {Verdict::good, "keys", "the shard's pair fits together, the master's key can be used", {}});
  findings.push_back(check_files(options));
  const auto lock = ConfigLock::take(path);
  if (!lock) {
    findings.push_back({Verdict::skipped,
                        "connection",
                        lock.error().message + ", and would lose its connection by a second one",
                        {}});
    findings.push_back({Verdict::skipped, "clock", "known only with a connection", {}});
    return findings;
  }
  check_connection(*config, options, lock->identity(), findings);
  return findings;
}

}  // namespace smaster::agent
