#include "server/process/server.hpp"

#include <spdlog/spdlog.h>
#include <systemd/sd-daemon.h>

#include <boost/asio/redirect_error.hpp>
#include <csignal>
#include <utility>

#include "server/api/http_api.hpp"
#include "server/process/inherited_sockets.hpp"

namespace smaster::server {
namespace {

namespace asio = net::asio;
namespace http = boost::beast::http;

/// Time for clients to receive our close before the process ends.
constexpr std::chrono::seconds kCloseGrace{2};
constexpr std::chrono::seconds kGenerateRetry{5};

/// With a shared store, shards notice the loss of this server within the time that another one needs to lead.
engineio::Options engine_timing(const Settings& settings) {
  engineio::Options options;
  options.max_payload = settings.max_payload;
  if (settings.store.shared()) {
    options.ping_interval = settings.store.lease / 2;
    options.ping_timeout = settings.store.lease * 7 / 10;
  }
  return options;
}

net::EngineOptions engine_options(const Settings& settings) {
  net::EngineOptions options;
  options.path = settings.path;
  options.engine = engine_timing(settings);
  return options;
}

}  // namespace

Server::Server(ServeOptions options, Stores stores, crypto::Signer signer)
    : reload_(std::move(options.reload)),
      config_(std::move(options.config)),
      stores_(std::move(stores)),
      wiring_(context_, std::move(options.settings), *stores_.registry, *stores_.history, std::move(signer)),
      admission_(wiring_.admission_parts()),
      discord_({context_, wiring_.settings, wiring_.goal, wiring_.rendering}),
      engine_(context_, engine_options(wiring_.settings), *this),
      listener_(context_, engine_, *this, wiring_.descriptors),
      control_parts_(wiring_.control_parts(engine_)),
      http_parts_(wiring_.http_parts()),
      control_(
          context_, wiring_.descriptors,
          [this](control::Call call) { return handle_control(control_context(), std::move(call)); },
          stores_.election ? [this](const std::string& path) { return elsewhere(path); }
                           : control::Elsewhere()),
      dashboard_(wiring_.dashboard_parts(),
                 [this](control::Call call) { return handle_control(control_context(), std::move(call)); }),
      peers_({context_, wiring_.settings, wiring_.proof, wiring_.signatures, wiring_.instance}),
      signals_(context_, SIGINT, SIGTERM),
      hangup_(context_, SIGHUP),
      watch_(context_, [this](const std::filesystem::path& file) { file_changed(file); }),
      grace_(context_.get_executor()),
      tasks_(context_.get_executor(), "server") {}

Result<Ended> Server::run(ListeningSockets sockets, bool hold_back) {
  if (auto tls = set_tls(wiring_.settings); !tls) return tls.error();
  wiring_.settings_file = config_;
  name_kept_files();
  if (stores_.election) {
    candidacy_.emplace(wiring_.candidacy_parts(), *stores_.election);
  } else {
    if (auto kept = wiring_.store.read(); !kept) {
      return kept.error();
    } else {
      wiring_.registration.take(std::move(*kept));
    }
  }
  if (auto listening = listen(std::move(sockets)); !listening) return listening.error();
  wiring_.reload_keys = [this] { return reload_keys(); };
  wiring_.restart = [this] {
    asio::post(context_, [this] {
      restart_ = true;
      stop("to restart");
    });
  };
  wiring_.troubles = [this] { return troubles(); };
  wiring_.alerts.more = [this](std::vector<AlertCondition>& conditions) { add_troubles(conditions); };
  wiring_.loop.complain = [](net::LoopWatch::Duration took, net::LoopWatch::Duration worked,
                             std::uint64_t turns) {
    const auto ms = [](auto time) { return std::chrono::duration_cast<Millis>(time).count(); };
    spdlog::warn(
        "nothing was served for {} ms, of which this server worked for at most {} ms, else the machine was "
        "busy; {} such since this was last said",
        ms(took), ms(worked), turns);
  };
  wiring_.sender.logins_drifted = [this] { discord_.ask_soon(); };
  wiring_.plans.generate = [this] { return generate(); };
  wiring_.store.deposed = [this](const std::string& why) { deposed(why); };
  if (candidacy_) {
    candidacy_->elected = [this] {
      tasks_.spawn("take the lead", take_lead(), [this] { deposed("it could not take the lead"); });
    };
    candidacy_->deposed = [this](const std::string& why) { deposed(why); };
    tasks_.keep_running("candidacy", [this, hold_back] { return candidacy_->run(self(), hold_back); });
    tasks_.spawn("check the keys", check_keys());
  } else {
    wiring_.leadership.lease_until(Leadership::kForGood);
    if (auto led = lead(); !led) return led.error();
  }
  wait_for_signals();
  watch_files();
  const auto& settings = wiring_.settings;
  wiring_.events.record({fleet::EventKind::start,
                         "listening on " + settings.address + " port " + std::to_string(wiring_.port) +
                             (settings.tls_certificate.empty() ? "" : " (TLS)") + ", path " + settings.path +
                             "; control socket " + settings.control_socket.string() + "; state in " +
                             settings.state_dir.string() + "; version " SMASTER_VERSION});
  ::sd_notify(0, "READY=1");
  run_context();
  // Wait for the pools before the objects that their work refers to are destroyed.
  if (candidacy_) candidacy_->join();
  wiring_.store.join();
  wiring_.signatures.join();
  wiring_.rendering.join();
  wiring_.slow_work.stop();
  wiring_.slow_work.join();
  wiring_.sql.join();
  wiring_.files.join();
  if (failure_) return *failure_;
  if (!again_) spdlog::info(handed_over_ ? "restarting" : "stopped");
  return Ended{std::move(handed_over_), again_, hand_over_lead_};
}

net::Task<net::Admission> Server::admit(net::HandshakeRequest request) {
  return admission_.decide(std::move(request));
}

net::Task<net::Answer> Server::answer(const net::Request& request, const net::Address& peer) {
  return answer_http(http_parts_, candidacy(), engine_.session_count(), request, peer);
}

bool Server::is_upgrade(const net::Request& request) const {
  return candidacy_ && PeerLink::asked_for(request);
}

net::Task<net::Takeover> Server::upgrade(const net::Request& request, const net::Address& peer) {
  const auto status = co_await peers_.judge(request, peer, candidacy_->self().name);
  if (status == http::status::switching_protocols) {
    co_return [this, whose = net::limit_key(peer)](net::Stream stream) {
      return control_.serve(std::move(stream), whose);
    };
  }
  // Answer like any other path: strangers need not know that this one exists.
  auto refusal = (co_await answer(request, peer)).response;
  if (status != http::status::forbidden) refusal.result(status);
  refusal.keep_alive(false);
  co_return refusal;
}

/// An exception ends only the turn of the loop that threw it: other turns belong to other tasks.
void Server::run_context() {
  while (true) {
    try {
      wiring_.loop.run(context_);
      return;
    } catch (const std::exception& error) {
      spdlog::error("something failed in a way that should not happen; going on: {}", error.what());
    }
  }
}

/// Listens, on inherited sockets if their addresses match the settings.
Result<void> Server::listen(ListeningSockets sockets) {
  const auto& settings = wiring_.settings;
  if (sockets.shards && listens_at(sockets.shards, settings.address, settings.port)) {
    listener_.adopt(std::move(sockets.shards));
  } else {
    sockets.shards = {};  // it may occupy the address
    if (auto listening = listener_.listen(settings.address, settings.port); !listening) return listening;
  }
  wiring_.port = listener_.endpoint().port();
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

ControlContext Server::control_context() {
  return {control_parts_,
          [this] { stop("asked over the control socket"); },
          candidacy(),
          &peers_,
          [this] { step_down(); },
          leads_ || !candidacy_,
          &discord_};
}

/// What no shard shows: the store, the token, the certificate. `smaster doctor` looks for more.
std::vector<std::string> Server::troubles() const {
  std::vector<std::string> found;
  if (const auto& store = wiring_.store.trouble(); !store.empty()) {
    found.push_back(store + "; free or repair the disk or database");
  }
  if (!discord_.trouble().empty()) found.push_back(discord_.trouble());
  if (certificate_ends_ && net::wall_clock() >= *certificate_ends_) {
    found.push_back("the certificate " + wiring_.settings.tls_certificate.string() +
                    " has expired; renew it");
  }
  return found;
}

/// The same for alerts, without the store's, which has its own; and a certificate that is about to expire.
void Server::add_troubles(std::vector<AlertCondition>& conditions) const {
  constexpr std::chrono::days kExpirySoon{14};
  const auto& store = wiring_.store.trouble();
  for (const auto& each : troubles()) {
    if (store.empty() || !each.starts_with(store)) conditions.push_back({"server " + each, each});
  }
  const auto now = net::wall_clock();
  if (certificate_ends_ && now < *certificate_ends_ && *certificate_ends_ - now < kExpirySoon) {
    const auto days = std::chrono::floor<std::chrono::days>(*certificate_ends_ - now).count();
    conditions.push_back({"certificate", "the certificate " + wiring_.settings.tls_certificate.string() +
                                             " expires in " + std::to_string(days) + " days; renew it"});
  }
}

net::Task<> Server::generate() {
  const auto made = co_await wiring_.registrar.generate(false, Deliver::file, "the planner");
  const auto trouble = std::exchange(generate_trouble_, made ? "" : made.error().message);
  if (made) co_return;
  // A repeated error is logged at level debug only.
  spdlog::log(generate_trouble_ != trouble ? spdlog::level::err : spdlog::level::debug,
              "cannot make a config for a new shard: {}; trying again every {} s", generate_trouble_,
              kGenerateRetry.count());
  wiring_.mail.config_failed(made.error().message);
  net::Timer pause(context_.get_executor(), kGenerateRetry);
  boost::system::error_code ignored;
  co_await pause.async_wait(asio::redirect_error(net::use_task, ignored));
}

void Server::stop(std::string_view why) {
  if (std::exchange(stopping_, true)) return;
  wiring_.events.record({fleet::EventKind::stop, "stopping: " + std::string(why)});
  if (!restart_ && !again_) ::sd_notify(0, "STOPPING=1");
  tasks_.spawn("stop", finish(), [this] { context_.stop(); });
}

net::Task<> Server::finish() {
  if (restart_ || again_) handed_over_ = ListeningSockets{listener_.share(), control_.hand_over()};
  const bool deposed = again_ && !hand_over_lead_;
  engine_.close_all();
  listener_.stop();
  dashboard_.stop();
  discord_.stop();
  watch_.stop();
  co_await wiring_.finish(!deposed && (leads_ || !candidacy_));
  if (candidacy_) co_await candidacy_->stop();
  co_await wiring_.tasks.join();
  // Sessions end in later turns of the loop.
  co_await asio::post(context_, net::use_task);
  const bool wait = engine_.session_count() > 0 && !deposed;
  grace_.expires_after(wait ? kCloseGrace : std::chrono::seconds(0));
  boost::system::error_code ignored;
  // The control client that asked for the stop gets its answer first.
  co_await asio::post(context_, net::use_task);
  co_await grace_.async_wait(asio::redirect_error(net::use_task, ignored));
  wiring_.sql.stop();
  control_.stop();
  context_.stop();
}

}  // namespace smaster::server
