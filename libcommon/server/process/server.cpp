#include "server/process/server.hpp"

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <boost/asio/ip/host_name.hpp>
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
#include "server/admission/admission.hpp"
#include "server/api/control_api.hpp"
#include "server/api/http_api.hpp"
#include "server/api/member_routes.hpp"
#include "server/cluster/candidacy.hpp"
#include "server/cluster/peer_link.hpp"
#include "server/dashboard/dashboard.hpp"
#include "server/planning/discord_watch.hpp"
#include "server/process/core.hpp"
#include "server/process/file_watch.hpp"
#include "server/requests/registrar.hpp"
#include "settings/containment.hpp"
#include "store/open.hpp"
#include "store/store.hpp"

namespace smaster::server {
namespace {

namespace asio = net::asio;
namespace http = boost::beast::http;

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
Result<std::unique_ptr<store::FileStore>> open_file(const std::filesystem::path& file) {
  auto store = store::open_sqlite(file);
  if (store || ::access(file.c_str(), R_OK) != 0 || store.error().kind != ErrorKind::cannot_create)
    return store;
  auto copy = store::open_copy(file);
  if (!copy) return store;
  spdlog::error("{}; starting with what it has", store.error().message);
  return copy;
}

/// Where everything is kept. Without an election this server stands alone.
struct Stores {
  std::shared_ptr<store::Store> registry;
  std::shared_ptr<store::HistoryStore> history;
  std::unique_ptr<store::Election> election;
};

Result<Stores> open_stores(const Settings& settings) {
  Stores stores;
  if (settings.store.shared()) {
    auto shared = store::open_shared(settings.store.url,
                                     {settings.store.ca_file.string(), settings.store.certificate.string(),
                                      settings.store.key.string(), settings.store.lease});
    if (!shared) return fail(shared.error().kind, "store.url: " + shared.error().message);
    stores.registry = std::move(shared->store);
    stores.election = std::move(shared->election);
  }
  if (!settings.history_url.empty()) {
    auto history = store::open_history(settings.history_url);
    if (!history) return fail(history.error().kind, "history.url " + history.error().message);
    stores.history = std::move(*history);
  }
  if (!stores.registry || !stores.history) {
    auto file = open_file(settings.state_dir / store::kStoreFile);
    if (!file) return file.error();
    const std::shared_ptr<store::FileStore> both = std::move(*file);
    if (!stores.registry) stores.registry = both;
    if (!stores.history) stores.history = both;
  }
  return stores;
}

/// How soon shards notice that this server is gone: within the time that another needs to lead.
engineio::Options engine_timing(const Settings& settings) {
  engineio::Options options;
  options.max_payload = settings.max_payload;
  if (settings.store.shared()) {
    options.ping_interval = settings.store.lease / 2;
    options.ping_timeout = settings.store.lease * 7 / 10;
  }
  return options;
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
  Server(ServeOptions options, Stores stores, crypto::Signer signer)
      : reload_(std::move(options.reload)),
        config_(std::move(options.config)),
        stores_(std::move(stores)),
        core_(context_, std::move(options.settings), *stores_.registry, *stores_.history, std::move(signer)),
        admission_(core_),
        discord_(core_),
        registrar_(core_),
        engine_(context_, engine_options(core_.settings), *this),
        listener_(context_, engine_, *this, core_.descriptors),
        control_(
            context_, core_.descriptors,
            [this](control::Call call) { return handle_control(control_context(), std::move(call)); },
            stores_.election ? [this](const std::string& path) { return elsewhere(path); }
                             : control::Elsewhere()),
        dashboard_(core_,
                   [this](control::Call call) { return handle_control(control_context(), std::move(call)); }),
        peers_(core_),
        signals_(context_, SIGINT, SIGTERM),
        hangup_(context_, SIGHUP),
        watch_(context_, [this](const std::filesystem::path& file) { file_changed(file); }),
        grace_(context_.get_executor()),
        tasks_(context_.get_executor(), "server") {}

  /// `sockets`: of who listened before. `hold_back`: another server is to lead.
  Result<Ended> run(ListeningSockets sockets, bool hold_back) {
    if (auto tls = set_tls(core_.settings); !tls) return tls.error();
    core_.settings_file = config_;
    name_kept_files();
    if (stores_.election) {
      candidacy_.emplace(core_, *stores_.election);
    } else {
      if (auto kept = core_.fleet.read(); !kept) {
        return kept.error();
      } else {
        core_.fleet.take(std::move(*kept));
      }
    }
    if (auto listening = listen(std::move(sockets)); !listening) return listening.error();
    core_.reload_keys = [this] { reload_keys(); };
    core_.restart = [this] {
      asio::post(context_, [this] {
        restart_ = true;
        stop("to restart");
      });
    };
    core_.loop.complain = [](net::LoopWatch::Duration took, net::LoopWatch::Duration worked,
                             std::uint64_t turns) {
      const auto ms = [](auto time) { return std::chrono::duration_cast<Millis>(time).count(); };
      spdlog::warn(
          "nothing was served for {} ms, of which this server worked for at most {} ms, else the machine was "
          "busy; {} such since this was last said",
          ms(took), ms(worked), turns);
    };
    core_.fleet.alert = [this](const std::string& text) { core_.mail.alert(text); };
    core_.fleet.logins_drifted = [this] { discord_.ask_soon(); };
    core_.fleet.generate = [this](fleet::Generate what) { return generate(what); };
    core_.fleet.deposed = [this](const std::string& why) { deposed(why); };
    if (candidacy_) {
      candidacy_->elected = [this] {
        tasks_.spawn("take the lead", take_lead(), [this] { deposed("it could not take the lead"); });
      };
      candidacy_->deposed = [this](const std::string& why) { deposed(why); };
      tasks_.keep_running("candidacy", [this, hold_back] { return candidacy_->run(self(), hold_back); });
      tasks_.spawn("check the keys", check_keys());
    } else {
      core_.leadership.lease_until(Leadership::kForGood);
      if (auto led = lead(); !led) return led.error();
    }
    wait_for_signals();
    watch_files();
    spdlog::info("listening on {} port {}{}, path {}; control socket {}; state in {}", core_.settings.address,
                 core_.port, core_.settings.tls_certificate.empty() ? "" : " (TLS)", core_.settings.path,
                 core_.settings.control_socket.string(), core_.settings.state_dir.string());
    ::sd_notify(0, "READY=1");
    run_context();
    // What still runs in the pools must end before what it refers to goes.
    if (candidacy_) candidacy_->join();
    core_.fleet.join();
    core_.signatures.join();
    core_.rendering.join();
    core_.slow_work.stop();
    core_.slow_work.join();
    core_.sql.join();
    core_.files.join();
    if (failure_) return *failure_;
    if (!again_) spdlog::info(handed_over_ ? "restarting" : "stopped");
    return Ended{std::move(handed_over_), again_, hand_over_lead_};
  }

  net::Task<net::Admission> admit(net::HandshakeRequest request) override {
    return admission_.decide(std::move(request));
  }

  net::Task<net::Answer> answer(const net::Request& request, const net::Address& peer) override {
    return answer_http(core_, candidacy(), engine_.session_count(), request, peer);
  }

  bool is_upgrade(const net::Request& request) const override {
    return candidacy_ && PeerLink::asked_for(request);
  }

  net::Task<net::Takeover> upgrade(const net::Request& request, const net::Address& peer) override {
    const auto status = co_await peers_.judge(request, peer, candidacy_->self().name);
    if (status == http::status::switching_protocols) {
      co_return [this, whose = net::limit_key(peer)](net::Stream stream) {
        return control_.serve(std::move(stream), whose);
      };
    }
    // Strangers are not told that there is something.
    auto refusal = (co_await answer(request, peer)).response;
    if (status != http::status::forbidden) refusal.result(status);
    refusal.keep_alive(false);
    co_return refusal;
  }

 private:
  static net::EngineOptions engine_options(const Settings& settings) {
    net::EngineOptions options;
    options.path = settings.path;
    options.engine = engine_timing(settings);
    return options;
  }

  /// What one turn of the loop throws ends that turn only: all others are somebody else's.
  void run_context() {
    while (true) {
      try {
        core_.loop.run(context_);
        return;
      } catch (const std::exception& error) {
        spdlog::error("something failed in a way that should not happen; going on: {}", error.what());
      }
    }
  }

  [[nodiscard]] Candidacy* candidacy() { return candidacy_ ? &*candidacy_ : nullptr; }

  /// This server as the others know it.
  [[nodiscard]] store::Member self() const {
    const auto& settings = core_.settings;
    auto url = settings.cluster.url;
    if (url.empty()) {
      const bool any = settings.address == "0.0.0.0" || settings.address == "::";
      const auto host = any ? asio::ip::host_name() : settings.address;
      url = std::string(settings.protocol()) + "//" +
            (host.find(':') == std::string::npos ? host : '[' + host + ']') + ':' +
            std::to_string(core_.port);
    }
    const auto name = settings.cluster.name.empty() ? url.substr(url.find("//") + 2) : settings.cluster.name;
    return {name, url, SMASTER_VERSION, core_.started_at, fleet::kNever};
  }

  /// Begins to command shards: what the store has is known by now.
  Result<void> lead() {
    // Several servers have no rotation: the next key would have to be everywhere.
    if (!candidacy_) {
      if (auto rotation = core_.rotation.load(); !rotation) return rotation.error();
    }
    core_.leadership.begin();
    core_.fleet.start();
    const auto& limits = core_.descriptors.limits();
    if (const auto most = limits.of(net::Share::shards); core_.fleet.shards().size() > most) {
      spdlog::warn(
          "{} shards are known, but a limit of {} descriptors has room for {}: raise it (LimitNOFILE= in the "
          "unit, ulimit -n)",
          core_.fleet.shards().size(), limits.total, most);
    }
    if (auto listening = dashboard_.listen(); !listening) return listening.error();
    if (core_.settings.dashboard.port >= 0) {
      spdlog::info("the dashboard is on http://{}:{}/", core_.settings.dashboard.address,
                   dashboard_.endpoint().port());
    }
    tasks_.keep_running("ask Discord", [this] { return discord_.run(); });
    return {};
  }

  /// The lease is ours: reads what has changed last, and leads.
  net::Task<> take_lead() {
    const auto begun = net::now();
    auto kept = co_await core_.fleet.read_in_store();
    if (!kept) {
      deposed(kept.error().message);
      co_return;
    }
    if (auto same = co_await same_keys(); !same) {
      fail_with(same.error());
      co_return;
    }
    if (stopping_) co_return;
    co_await core_.fleet.take_in_turns(std::move(*kept));
    if (stopping_) co_return;
    leads_ = true;
    if (auto led = lead(); !led) {
      fail_with(led.error());
      co_return;
    }
    spdlog::warn("this server leads from now on: {} shards, read within {} ms", core_.fleet.shards().size(),
                 std::chrono::duration_cast<Millis>(net::now() - begun).count());
  }

  /// Better at the start than when this server is needed.
  net::Task<> check_keys() {
    const auto known = co_await core_.fleet.load_note_in_store(store::kMasterKeyNote);
    if (!known || known->empty() || stopping_) co_return;  // whoever leads first decides
    if (auto same = co_await same_keys(); !same && same.error().kind == ErrorKind::bad_config)
      fail_with(same.error());
  }

  /// Shards know one master by one key: servers that share a store must have the same.
  net::Task<Result<void>> same_keys() {
    const auto known = co_await core_.fleet.load_note_in_store(store::kMasterKeyNote);
    if (!known) co_return known.error();
    if (*known == core_.proof.public_pem()) co_return Result<void>();
    if (known->empty())
      co_return co_await core_.fleet.save_note(store::kMasterKeyNote, core_.proof.public_pem());
    co_return fail(ErrorKind::bad_config,
                   (core_.settings.state_dir / kPrivateKeyFile).string() +
                       " is not the key pair of the other servers, and shards would refuse this one: copy "
                       "shardMaster.priv from the state_dir of one of them");
  }

  void fail_with(const Error& error) {
    failure_ = error;
    stop("cannot lead");
  }

  /// Another server leads, or may: nothing more is written or told, and this one begins anew.
  void deposed(const std::string& why) {
    core_.leadership.lose();
    if (stopping_) return;
    spdlog::error("this server does not lead any more: {}", why);
    again_ = true;
    stop("to stand by");
  }

  /// Hands over on purpose: what is known is written, and all shards are let go.
  void step_down() {
    again_ = true;
    hand_over_lead_ = true;
    stop("to hand over");
  }

  /// Requests that are not about this server are the leader's to answer.
  net::Task<Result<std::unique_ptr<net::Stream>>> elsewhere(const std::string& path) {
    if (leads_ || is_local(path)) co_return std::unique_ptr<net::Stream>();
    if (candidacy_->leads())
      co_return fail(ErrorKind::unavailable, "this server is about to lead; try again");
    if (candidacy_->leader().name.empty()) {
      co_return fail(ErrorKind::unavailable,
                     "no server leads now" +
                         (candidacy_->trouble().empty() ? "" : ": " + candidacy_->trouble()) +
                         "; try again in some seconds");
    }
    auto stream = co_await peers_.dial(candidacy_->leader());
    if (!stream) {
      co_return fail(
          ErrorKind::unavailable,
          "this server stands by, and the one that leads cannot be asked: " + stream.error().message);
    }
    co_return std::move(*stream);
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
    return {core_,
            registrar_,
            engine_,
            [this] { stop("asked over the control socket"); },
            candidacy(),
            &peers_,
            [this] { step_down(); },
            leads_ || !candidacy_};
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
    dashboard_.settings_changed();
    name_kept_files();
    if (leads_ || !candidacy_) core_.fleet.settings_changed();  // else they count when it leads
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

  void name_kept_files() {
    for (const auto& note : project_dir_notes(core_.settings, config_)) spdlog::warn("{}", note);
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
    if (!restart_ && !again_) ::sd_notify(0, "STOPPING=1");
    tasks_.spawn("stop", finish(), [this] { context_.stop(); });
  }

  net::Task<> finish() {
    if (restart_ || again_) handed_over_ = ListeningSockets{listener_.share(), control_.hand_over()};
    const bool deposed = again_ && !hand_over_lead_;
    engine_.close_all();
    listener_.stop();
    dashboard_.stop();
    discord_.stop();
    watch_.stop();
    co_await core_.fleet.finish(!deposed && (leads_ || !candidacy_));
    if (candidacy_) co_await candidacy_->stop();
    co_await core_.tasks.join();
    // The sessions' ends are in turns of their own.
    co_await asio::post(context_, net::use_task);
    const bool wait = engine_.session_count() > 0 && !deposed;
    grace_.expires_after(wait ? kCloseGrace : std::chrono::seconds(0));
    boost::system::error_code ignored;
    // The control client that asked for the stop gets its answer first.
    co_await asio::post(context_, net::use_task);
    co_await grace_.async_wait(asio::redirect_error(net::use_task, ignored));
    core_.sql.stop();
    control_.stop();
    context_.stop();
  }

  asio::io_context context_{1};
  std::function<Result<Settings>()> reload_;
  std::filesystem::path config_;
  Stores stores_;
  Core core_;
  Admission admission_;
  DiscordWatch discord_;
  Registrar registrar_;
  net::EngineServer engine_;
  net::HttpListener listener_;
  control::ControlServer control_;
  Dashboard dashboard_;
  PeerLink peers_;
  std::optional<Candidacy> candidacy_;  ///< with other servers
  asio::signal_set signals_;
  asio::signal_set hangup_;
  FileWatch watch_;
  net::Timer grace_;
  net::TaskScope tasks_;
  std::string generate_trouble_;  ///< why the last config was not made; empty: it was
  bool stopping_ = false;
  bool restart_ = false;
  bool leads_ = false;           ///< among several, by its lease and with all that it needs
  bool again_ = false;           ///< begins anew in this process, to stand by
  bool hand_over_lead_ = false;  ///< on purpose
  std::optional<Error> failure_;
  std::optional<ListeningSockets> handed_over_;
};

}  // namespace

Result<Ended> serve(ServeOptions options) {
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);  // a file that may not grow is an error of its write
  raise_descriptor_limit();
  const auto folder = options.settings.state_dir;
  if (auto made = make_private_folder(folder); !made) return made.error();
  const auto lock = lock_folder(folder);
  if (!lock) return lock.error();
  // Configs that were on their way by mail when the last server ended.
  std::error_code ignored;
  std::filesystem::remove_all(folder / kMailFolder, ignored);
  auto sockets = inherited_sockets();
  bool hold_back = false;
  while (true) {
    auto signer = load_keys(folder);
    if (!signer) return signer.error();
    auto stores = open_stores(options.settings);
    if (!stores) return stores.error();
    Server server(options, std::move(*stores), std::move(*signer));
    auto ended = server.run(std::move(sockets), hold_back);
    if (!ended || !ended->again) return ended;
    hold_back = ended->handed_over;
    if (auto fresh = options.reload()) options.settings = std::move(*fresh);
    sockets = std::move(*ended->restart);
  }
}

}  // namespace smaster::server
