// `smaster agent --check`: everything that an agent needs, tried out, without a bot.
#include <unistd.h>

#include "agent/config_lock.hpp"
#include "agent/host.hpp"

namespace smaster::agent {
namespace {

namespace asio = net::asio;
using Verdict = Finding::Verdict;

constexpr Millis kPatience{30'000};

/// Waits for the first thing that an uplink has to say.
class Listener final : public UplinkOwner {
 public:
  explicit Listener(asio::io_context& context) : context_(context) {}
  void uplink_up(Millis ahead_) override {
    up = true;
    ahead = ahead_;
    context_.stop();
  }
  void uplink_down(const std::string& why_, std::optional<Millis> ahead_) override {
    if (up) return;  // our own farewell
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
    context.run_for(Millis{200});  // the farewell
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
