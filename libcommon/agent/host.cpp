#include "agent/host.hpp"

#include <malloc.h>
#include <spdlog/spdlog.h>

#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <thread>

#include "agent/bot/hooks.hpp"
#include "agent/config_lock.hpp"
#include "base/text.hpp"
#include "net/clock.hpp"

namespace smaster::agent {
namespace {

namespace asio = net::asio;

/// Time to wait for the config lock, beyond the grace time of a previous agent's bot.
constexpr Millis kLockMargin{5'000};
constexpr Millis kLockRetry{100};
/// Time for the last status and the disconnect to be sent.
constexpr Millis kFarewell{500};

/// Takes the config lock, waiting for the bot of a killed agent to end. Blocks: call it before the event loop
/// runs.
Result<ConfigLock> wait_for_lock(const std::filesystem::path& config, Millis patience) {
  const auto until = net::now() + patience;
  bool said = false;
  while (true) {
    auto lock = ConfigLock::take(config);
    if (lock || lock.error().kind != ErrorKind::timed_out) return lock;
    if (net::now() >= until) {
      return fail(ErrorKind::timed_out, lock.error().message + "; stop that one first");
    }
    if (!std::exchange(said, true)) spdlog::info("{}; waiting for it to end", lock.error().message);
    std::this_thread::sleep_for(kLockRetry);
  }
}

Result<std::optional<files::Folder>> open_project(const AgentOptions& options) {
  if (!options.project_dir) return std::optional<files::Folder>{};
  auto folder = files::Folder::open(*options.project_dir);
  if (!folder) return folder.error();
  return std::optional(std::move(*folder));
}

/// Saves memory, since a host may run one agent per shard: no malloc arena per thread, and no Botan thread
/// pool with a thread per core. Must be called before either is used.
void stay_small() {
  ::mallopt(M_ARENA_MAX, 1);
  ::mallopt(M_MMAP_THRESHOLD, 64 * 1024);  // memory of large messages is returned to the system
  ::mallopt(M_TRIM_THRESHOLD, 128 * 1024);
  ::setenv("BOTAN_THREAD_POOL_SIZE", "1", 1);
}

/// The TLS context; null if no config uses https, since it takes megabytes.
Result<std::shared_ptr<asio::ssl::context>> tls_for(const std::vector<ShardConfig>& configs,
                                                    const AgentOptions& options) {
  for (const auto& config : configs) {
    if (config.tls()) return net::client_tls_context(options.ca_file);
  }
  return std::shared_ptr<asio::ssl::context>{};
}

/// All objects of the process; members are declared in the order that their destruction needs.
class Host {
 public:
  Host(const AgentOptions& options, std::shared_ptr<asio::ssl::context> tls,
       std::optional<files::Folder> project)
      : project_(std::move(project)),
        storage_(context_, pool_, options.project_dir.value_or(std::filesystem::path())),
        identify_(context_),
        boots_(context_),
        shared_{context_, tasks_, pool_, options, std::move(tls), project_ ? &*project_ : nullptr,
                storage_, boots_},
        signals_(context_, SIGINT, SIGTERM),
        farewell_(context_.get_executor()) {}

  ~Host() {
    // Tasks in the pools refer to the agents.
    pool_.join();
  }

  Result<void> add(ShardConfig config, ConfigLock lock) {
    const auto shard = std::make_shared<ShardConfig>(std::move(config));
    const auto words = introduction(shared_.options, lock.identity());
    for (int process = 0; process < shared_.options.processes; ++process) {
      auto page = LeasePage::create();
      if (!page) return page.error();
      agents_.push_back(
          std::make_unique<Agent>(shared_, shard, process, lock.descriptor(), std::move(*page), words));
      agents_.back()->on_finished = [this] {
        if (++finished_ == agents_.size()) finish();
      };
    }
    locks_.push_back(std::move(lock));
    return {};
  }

  void run() {
    wait_for_signal();
    if (shared_.options.hooks && hooks_folder().empty()) {
      spdlog::warn(
          "the hooks are not installed beside this program: bots do not ask before they log in, so their "
          "starts wait instead; install smaster whole, or say --no-hooks");
    }
    if (const auto listening = identify_.listen()) {
      shared_.identify = &identify_;
    } else {
      spdlog::warn("bots cannot ask by HTTP before they log in: {}", listening.error().message);
    }
    tasks_.keep_running("measure the storage", [this] { return storage_.run(); });
    for (const auto& agent : agents_) agent->start();
    context_.run();
  }

 private:
  void wait_for_signal() {
    signals_.async_wait([this](boost::system::error_code error, int) {
      if (error) return;
      spdlog::info("stopping; once more kills what does not end");
      for (const auto& agent : agents_) agent->stop();
      wait_for_signal();
    });
  }

  void finish() {
    storage_.stop();
    farewell_.expires_after(kFarewell);
    farewell_.async_wait([this](boost::system::error_code) { context_.stop(); });
  }

  asio::io_context context_{1};
  net::TaskScope tasks_{context_.get_executor(), "agent"};
  asio::thread_pool pool_{1};
  std::optional<files::Folder> project_;
  StorageGauge storage_;
  IdentifyServer identify_;
  Boots boots_;
  Shared shared_;
  std::vector<ConfigLock> locks_;
  std::vector<std::unique_ptr<Agent>> agents_;
  asio::signal_set signals_;
  net::Timer farewell_;
  std::size_t finished_ = 0;
};

}  // namespace

Result<void> run_agents(const std::vector<std::filesystem::path>& paths, const AgentOptions& options) {
  std::signal(SIGPIPE, SIG_IGN);
  stay_small();
  std::vector<ShardConfig> configs;
  for (const auto& path : paths) {
    auto config = load_shard_config(path);
    if (!config) return config.error();
    if (open_to_others(path)) spdlog::warn("{} can be read by others; chmod 600 it", path.string());
    configs.push_back(std::move(*config));
  }
  auto tls = tls_for(configs, options);
  if (!tls) return tls.error();
  auto project = open_project(options);
  if (!project) return project.error();
  Host host(options, std::move(*tls), std::move(*project));
  for (std::size_t i = 0; i < configs.size(); ++i) {
    auto lock = wait_for_lock(paths[i], options.grace + kLockMargin);
    if (!lock) return lock.error();
    if (auto added = host.add(std::move(configs[i]), std::move(*lock)); !added) return added.error();
  }
  host.run();
  return {};
}

}  // namespace smaster::agent
