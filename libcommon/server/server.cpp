#include "server/server.hpp"

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <utility>

#include "base/file.hpp"
#include "control/server.hpp"
#include "crypto/fast_verify.hpp"
#include "json/json.hpp"
#include "net/http_listener.hpp"
#include "net/stream.hpp"
#include "server/admission.hpp"
#include "server/control_api.hpp"
#include "server/core.hpp"
#include "server/dashboard.hpp"
#include "server/discord_watch.hpp"
#include "server/file_watch.hpp"
#include "server/http_api.hpp"
#include "server/registrar.hpp"
#include "store/store.hpp"

namespace smaster::server {
namespace {

namespace asio = net::asio;

/// How long clients get to take our close before the process ends.
constexpr std::chrono::seconds kCloseGrace{2};
constexpr std::chrono::seconds kGenerateRetry{5};

/// Holds the state folder against a second server; the lock goes with the process, however it ends.
Result<int> lock_folder(const std::filesystem::path& folder) {
  const auto path = (folder / "lock").string();
  int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0 && (errno == EROFS || errno == ENOSPC)) fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return fail(ErrorKind::cannot_create, "cannot open " + path + ": " + std::strerror(errno));
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    ::close(fd);
    return fail(ErrorKind::cannot_create, "another server uses the state folder " + folder.string() +
                                              "; stop it, or give this one another state_dir");
  }
  return fd;
}

Result<crypto::Signer> read_keys(const std::filesystem::path& path) {
  const auto text = read_file(path);
  if (!text) return text.error();
  auto signer = crypto::Signer::load(*text);
  if (!signer) return fail(signer.error().kind, path.string() + ": " + signer.error().message);
  return signer;
}

/// The public half is derived, so a lost or stale file mends itself.
Result<void> write_public_key(const std::filesystem::path& folder, const crypto::Signer& signer) {
  return write_file(folder / "shardMaster.pub", signer.public_pem(), 0644, IfExists::replace);
}

/// The server's own key pair, made on the first start.
Result<crypto::Signer> load_keys(const std::filesystem::path& folder) {
  const auto path = folder / kPrivateKeyFile;
  auto signer = read_keys(path);
  if (!signer && signer.error().kind == ErrorKind::not_found) {
    spdlog::info("first start: making the master's key pair, this takes a few seconds");
    const auto keys = crypto::generate_key_pair();
    if (!keys) return keys.error();
    if (auto written = write_file(path, keys->private_pem, 0600, IfExists::refuse); !written) {
      return written.error();
    }
    signer = crypto::Signer::load(keys->private_pem);
  }
  if (!signer) return signer;
  // A key file that was damaged, and OpenSSL's first work, which takes longer, are not for a shard to meet.
  if (!crypto::fast_verify(signer->public_pem(), "check", signer->sign("check"))) {
    return fail(ErrorKind::bad_data,
                path.string() + ": its signatures are not good ones; put back a copy of it");
  }
  if (auto written = write_public_key(folder, *signer); !written) {
    spdlog::error("{}; going on without", written.error().message);
  }
  return signer;
}

/// Where the store cannot be written, a server that serves from memory is better than none.
Result<std::unique_ptr<store::Store>> open_store(const std::filesystem::path& file) {
  auto store = store::open_sqlite(file);
  if (store || ::access(file.c_str(), R_OK) != 0 || store.error().kind != ErrorKind::cannot_create)
    return store;
  auto copy = store::open_copy(file);
  if (!copy) return store;
  spdlog::error("{}; starting with what it has", store.error().message);
  return copy;
}

/// As many descriptors as we may have: every shard needs one.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

class Server final : public net::Application {
 public:
  Server(ServeOptions options, std::unique_ptr<store::Store> store, crypto::Signer signer)
      : reload_(std::move(options.reload)),
        config_(std::move(options.config)),
        store_(std::move(store)),
        core_(context_, std::move(options.settings), *store_, std::move(signer)),
        admission_(core_),
        discord_(core_),
        registrar_(core_),
        engine_(context_, engine_options(core_.settings), *this),
        listener_(context_, engine_, *this),
        control_(context_,
                 [this](control::Call call) { return handle_control(control_context(), std::move(call)); }),
        dashboard_(core_,
                   [this](control::Call call) { return handle_control(control_context(), std::move(call)); }),
        signals_(context_, SIGINT, SIGTERM),
        hangup_(context_, SIGHUP),
        watch_(context_, [this](const std::filesystem::path& file) { file_changed(file); }),
        grace_(context_.get_executor()) {}

  Result<Ended> run() {
    if (auto tls = set_tls(core_.settings); !tls) return tls.error();
    if (auto loaded = core_.fleet.load(); !loaded) return loaded.error();
    if (auto listening = listen(inherited_sockets()); !listening) return listening.error();

    if (auto rotation = core_.rotation.load(); !rotation) return rotation.error();
    core_.reload_keys = [this] { reload_keys(); };
    core_.restart = [this] {
      asio::post(context_, [this] {
        restart_ = true;
        stop("to restart");
      });
    };
    core_.fleet.alert = [this](const std::string& text) { core_.mail.alert(text); };
    core_.fleet.generate = [this](fleet::Generate what) { return generate(what); };
    core_.fleet.start();
    if (auto listening = dashboard_.listen(); !listening) return listening.error();
    asio::co_spawn(context_, discord_.run(), asio::detached);
    wait_for_signals();
    watch_files();
    spdlog::info("listening on {} port {}{}, path {}; control socket {}; state in {}", core_.settings.address,
                 core_.port, core_.settings.tls_certificate.empty() ? "" : " (TLS)", core_.settings.path,
                 core_.settings.control_socket.string(), core_.settings.state_dir.string());
    if (core_.settings.dashboard.port >= 0) {
      spdlog::info("the dashboard is on http://{}:{}/", core_.settings.dashboard.address,
                   dashboard_.endpoint().port());
    }
    ::sd_notify(0, "READY=1");
    context_.run();
    // What still runs in the pools must end before what it refers to goes.
    core_.signatures.join();
    core_.slow_work.stop();
    core_.slow_work.join();
    core_.sql.join();
    core_.files.join();
    spdlog::info(handed_over_ ? "restarting" : "stopped");
    return Ended{std::move(handed_over_)};
  }

  net::Task<net::Admission> admit(net::HandshakeRequest request) override {
    return admission_.decide(std::move(request));
  }

  net::Task<net::Response> answer(const net::Request& request) override {
    return answer_http(core_, engine_.session_count(), request);
  }

 private:
  static net::EngineOptions engine_options(const Settings& settings) {
    net::EngineOptions options;
    options.path = settings.path;
    options.engine.max_payload = settings.max_payload;
    return options;
  }

  /// On the sockets that a predecessor or systemd has left, where they are what the settings say.
  Result<void> listen(ListeningSockets sockets) {
    const auto& settings = core_.settings;
    if (sockets.shards && listens_at(sockets.shards, settings.address, settings.port)) {
      listener_.adopt(std::move(sockets.shards));
    } else {
      sockets.shards = {};  // it may be in the way
      if (auto listening = listener_.listen(settings.address, settings.port); !listening) return listening;
    }
    core_.port = listener_.endpoint().port();
    if (!settings.control_group.empty()) {
      if (auto allowed = control_.allow_group(settings.control_group); !allowed) return allowed;
    }
    if (sockets.control && listens_at(sockets.control, settings.control_socket)) {
      control_.adopt(std::move(sockets.control), settings.control_socket);
      return {};
    }
    sockets.control = {};
    return control_.listen(settings.control_socket);
  }

  /// The certificate for connections that come from now on; those that there are keep theirs.
  Result<void> set_tls(const Settings& settings) {
    if (settings.tls_certificate.empty()) {
      listener_.set_tls(nullptr);
      return {};
    }
    auto tls = net::server_tls_context(settings.tls_certificate, settings.tls_key);
    if (!tls) return fail(tls.error().kind, "TLS: " + tls.error().message);
    listener_.set_tls(std::move(*tls));
    return {};
  }

  /// A renewal brings two files, one after the other: between them they do not fit, which is said and waited
  /// out.
  void reload_certificate() {
    if (const auto tls = set_tls(core_.settings); !tls) {
      spdlog::warn("{}; the old certificate stays", tls.error().message);
    } else {
      spdlog::info("the TLS certificate was read again");
    }
  }

  ControlContext control_context() {
    return {core_, registrar_, engine_, [this] { stop("asked over the control socket"); }};
  }

  net::Task<> generate(fleet::Generate what) {
    const auto made = co_await registrar_.generate(what == fleet::Generate::master, Deliver::file);
    const auto trouble = std::exchange(generate_trouble_, made ? "" : made.error().message);
    if (made) co_return;
    // The same again is not worth a line every few seconds.
    spdlog::log(generate_trouble_ != trouble ? spdlog::level::err : spdlog::level::debug,
                "cannot make a config for a new shard: {}; trying again every {} s", generate_trouble_,
                kGenerateRetry.count());
    core_.mail.config_failed(made.error().message);
    net::Timer pause(context_.get_executor(), kGenerateRetry);
    boost::system::error_code ignored;
    co_await pause.async_wait(asio::redirect_error(net::use_task, ignored));
  }

  void wait_for_signals() {
    signals_.async_wait([this](boost::system::error_code error, int signal) {
      if (!error) stop(signal == SIGINT ? "interrupted" : "terminated");
    });
    wait_for_hangup();
  }

  void wait_for_hangup() {
    hangup_.async_wait([this](boost::system::error_code error, int) {
      if (error) return;
      reload_all();
      wait_for_hangup();
    });
  }

  /// All that can be read again is.
  void reload_all() {
    reload();
    if (!core_.settings.tls_certificate.empty()) reload_certificate();
    discord_.settings_changed();
    reload_keys();
  }

  void reload() {
    auto fresh = reload_();
    if (!fresh) {
      spdlog::error("{}; the old settings stay", fresh.error().message);
      return;
    }
    if (const auto tls = set_tls(*fresh); !tls) {
      spdlog::error("{}; the old settings stay", tls.error().message);
      return;
    }
    const auto wanted = describe(*fresh);
    auto& now = core_.settings;
    fresh->address = now.address;
    fresh->port = now.port;
    fresh->path = now.path;
    fresh->state_dir = now.state_dir;
    fresh->control_socket = now.control_socket;
    fresh->control_group = now.control_group;
    fresh->max_payload = now.max_payload;
    fresh->dashboard.address = now.dashboard.address;
    fresh->dashboard.port = now.dashboard.port;
    const auto changes = say_changes(describe(now), wanted, describe(*fresh));
    if (changes == 0) {
      spdlog::info("settings reloaded, nothing has changed");
      return;
    }
    const bool other_log = fresh->log_format != now.log_format || fresh->log_level != now.log_level;
    now = std::move(*fresh);
    if (other_log) log::set_up(now.log_format, *log::parse_level(now.log_level));
    admission_.settings_changed();
    core_.fleet.settings_changed();
    discord_.settings_changed();
    watch_files();
    spdlog::info("settings reloaded, the goal is {} shards", core_.fleet.goal().value);
  }

  /// Field by field; returns how many take effect.
  static std::size_t say_changes(const std::vector<SettingText>& before,
                                 const std::vector<SettingText>& wanted,
                                 const std::vector<SettingText>& taken) {
    std::size_t changes = 0;
    for (std::size_t i = 0; i < before.size(); ++i) {
      if (wanted[i].value == before[i].value) continue;
      const auto change = before[i].secret
                              ? before[i].key + " has changed"
                              : before[i].key + ": " + before[i].value + " -> " + wanted[i].value;
      if (taken[i].value == wanted[i].value) {
        ++changes;
        spdlog::info("setting {}", change);
      } else {
        spdlog::warn("setting {} takes effect with a restart, \"smaster reboot --master\"", change);
      }
    }
    return changes;
  }

  void reload_keys() {
    const auto path = core_.settings.state_dir / kPrivateKeyFile;
    auto signer = read_keys(path);
    if (!signer) {
      spdlog::error("{}; the old keys stay", signer.error().message);
      return;
    }
    if (signer->public_pem() == core_.proof.public_pem()) return;
    if (auto written = write_public_key(core_.settings.state_dir, *signer); !written) {
      spdlog::error("{}", written.error().message);
    }
    core_.proof.set(std::move(*signer));
    spdlog::warn(
        "the master's key pair has changed: shards whose configs have the old one will refuse this master");
  }

  void watch_files() {
    const auto& settings = core_.settings;
    std::vector<std::filesystem::path> files{settings.state_dir / kPrivateKeyFile};
    if (!config_.empty()) files.push_back(config_);
    for (const auto& file : {settings.token_file, settings.tls_certificate, settings.tls_key}) {
      if (!file.empty()) files.push_back(file);
    }
    watch_.watch(files);
  }

  void file_changed(const std::filesystem::path& file) {
    if (file == config_) reload();
    if (file == core_.settings.token_file) {
      spdlog::info("the token file {} has changed", file.string());
      discord_.settings_changed();
    }
    if (file == core_.settings.state_dir / kPrivateKeyFile) reload_keys();
    if (file == core_.settings.tls_certificate || file == core_.settings.tls_key) reload_certificate();
  }

  void stop(std::string_view why) {
    if (std::exchange(stopping_, true)) return;
    spdlog::info("stopping: {}", why);
    ::sd_notify(0, "STOPPING=1");
    asio::co_spawn(context_, finish(), asio::detached);
  }

  net::Task<> finish() {
    if (restart_) handed_over_ = ListeningSockets{listener_.share(), control_.hand_over()};
    engine_.close_all();
    listener_.stop();
    dashboard_.stop();
    discord_.stop();
    watch_.stop();
    co_await core_.fleet.finish();
    grace_.expires_after(engine_.session_count() > 0 ? kCloseGrace : std::chrono::seconds(0));
    boost::system::error_code ignored;
    // The control client that asked for the stop gets its answer first.
    co_await asio::post(context_, net::use_task);
    co_await grace_.async_wait(asio::redirect_error(net::use_task, ignored));
    control_.stop();
    context_.stop();
  }

  asio::io_context context_{1};
  std::function<Result<Settings>()> reload_;
  std::filesystem::path config_;
  std::unique_ptr<store::Store> store_;
  Core core_;
  Admission admission_;
  DiscordWatch discord_;
  Registrar registrar_;
  net::EngineServer engine_;
  net::HttpListener listener_;
  control::ControlServer control_;
  Dashboard dashboard_;
  asio::signal_set signals_;
  asio::signal_set hangup_;
  FileWatch watch_;
  net::Timer grace_;
  std::string generate_trouble_;  ///< why the last config was not made; empty: it was
  bool stopping_ = false;
  bool restart_ = false;
  std::optional<ListeningSockets> handed_over_;
};

}  // namespace

Result<Ended> serve(ServeOptions options) {
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);  // a file that may not grow is an error of its write
  raise_descriptor_limit();
  const auto& folder = options.settings.state_dir;
  if (auto made = make_private_folder(folder); !made) return made.error();
  const auto lock = lock_folder(folder);
  if (!lock) return lock.error();
  // Configs that were on their way by mail when the last server ended.
  std::error_code ignored;
  std::filesystem::remove_all(folder / kMailFolder, ignored);
  auto signer = load_keys(folder);
  if (!signer) return signer.error();
  auto store = open_store(folder / "smaster.db");
  if (!store) return store.error();
  Server server(std::move(options), std::move(*store), std::move(*signer));
  return server.run();
}

}  // namespace smaster::server
