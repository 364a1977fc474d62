// The server in a cluster: leads, stands by, or hands over.
#include "server/process/server.hpp"

#include <spdlog/spdlog.h>

#include <boost/asio/ip/host_name.hpp>
#include <utility>

#include "net/clock.hpp"
#include "server/api/routes.hpp"
#include "server/keys/key_files.hpp"

namespace smaster::server {

namespace asio = net::asio;

/// This server's entry in the list of members.
store::Member Server::self() const {
  const auto& settings = wiring_.settings;
  auto url = settings.cluster.url;
  if (url.empty()) {
    const bool any = settings.address == "0.0.0.0" || settings.address == "::";
    const auto host = any ? asio::ip::host_name() : settings.address;
    url = std::string(settings.protocol()) + "//" +
          (host.find(':') == std::string::npos ? host : '[' + host + ']') + ':' +
          std::to_string(wiring_.port);
  }
  const auto name = settings.cluster.name.empty() ? url.substr(url.find("//") + 2) : settings.cluster.name;
  return {name, url, SMASTER_VERSION, wiring_.started_at, fleet::kNever};
}

/// Begins to command shards. The store's data must be loaded.
Result<void> Server::lead() {
  // No key rotation in a cluster: every server would need the next key.
  if (!candidacy_) {
    if (auto rotation = wiring_.rotation.load(); !rotation) return rotation.error();
  }
  wiring_.leadership.begin();
  wiring_.start();
  const auto& limits = wiring_.descriptors.limits();
  if (const auto most = limits.of(net::Share::shards); wiring_.directory.shards().size() > most) {
    spdlog::warn(
        "{} shards are known, but a limit of {} descriptors has room for {}: raise it (LimitNOFILE= in the "
        "unit, ulimit -n)",
        wiring_.directory.shards().size(), limits.total, most);
  }
  if (auto listening = dashboard_.listen(); !listening) return listening.error();
  if (wiring_.settings.dashboard.port >= 0) {
    spdlog::info("the dashboard is on http://{}:{}/", wiring_.settings.dashboard.address,
                 dashboard_.endpoint().port());
  }
  tasks_.keep_running("ask Discord", [this] { return discord_.run(); });
  return {};
}

/// The lease is won: reads the latest data, then leads.
net::Task<> Server::take_lead() {
  const auto begun = net::now();
  auto kept = co_await wiring_.store.read_in_store();
  if (!kept) {
    deposed(kept.error().message);
    co_return;
  }
  if (auto same = co_await same_keys(); !same) {
    fail_with(same.error());
    co_return;
  }
  if (stopping_) co_return;
  co_await wiring_.registration.take_in_turns(std::move(*kept));
  if (stopping_) co_return;
  leads_ = true;
  if (auto led = lead(); !led) {
    fail_with(led.error());
    co_return;
  }
  wiring_.events.record(
      {fleet::EventKind::leader,
       "this server leads from now on: " + std::to_string(wiring_.directory.shards().size()) +
           " shards, read within " +
           std::to_string(std::chrono::duration_cast<Millis>(net::now() - begun).count()) + " ms"});
}

/// Compares the keys at the start, so that a wrong key is noticed before this server must lead.
net::Task<> Server::check_keys() {
  const auto known = co_await wiring_.store.load_note_in_store(store::kMasterKeyNote);
  if (!known || known->empty() || stopping_) co_return;  // the first leader stores its key
  if (auto same = co_await same_keys(); !same && same.error().kind == ErrorKind::bad_config)
    fail_with(same.error());
}

/// Compares the key pair with that of the other servers, and stores it if there is none: shards trust one key
/// only. Errors: bad_config if they differ; those of the store.
net::Task<Result<void>> Server::same_keys() {
  const auto known = co_await wiring_.store.load_note_in_store(store::kMasterKeyNote);
  if (!known) co_return known.error();
  if (*known == wiring_.proof.public_pem()) co_return Result<void>();
  if (known->empty())
    co_return co_await wiring_.store.save_note(store::kMasterKeyNote, wiring_.proof.public_pem());
  co_return fail(ErrorKind::bad_config,
                 (wiring_.settings.state_dir / kPrivateKeyFile).string() +
                     " is not the key pair of the other servers, and shards would refuse this one: copy "
                     "shardMaster.priv from the state_dir of one of them");
}

void Server::fail_with(const Error& error) {
  failure_ = error;
  stop("cannot lead");
}

/// Another server leads, or may lead: this one writes and sends nothing more, and starts again to stand by.
void Server::deposed(const std::string& why) {
  wiring_.leadership.lose();
  if (stopping_) return;
  spdlog::error("this server does not lead any more: {}", why);
  again_ = true;
  stop("to stand by");
}

/// Hands over on purpose: saves all data and closes all sessions.
void Server::step_down() {
  again_ = true;
  hand_over_lead_ = true;
  stop("to hand over");
}

/// Connects to the leader, which must answer this request; null if this server answers it.
net::Task<Result<std::unique_ptr<net::Stream>>> Server::elsewhere(const std::string& path) {
  if (leads_ || is_local(path)) co_return std::unique_ptr<net::Stream>();
  if (candidacy_->leads()) co_return fail(ErrorKind::unavailable, "this server is about to lead; try again");
  if (candidacy_->leader().name.empty()) {
    co_return fail(ErrorKind::unavailable,
                   "no server leads now" +
                       (candidacy_->trouble().empty() ? "" : ": " + candidacy_->trouble()) +
                       "; try again in some seconds");
  }
  auto stream = co_await peers_.dial(candidacy_->leader());
  if (!stream) {
    co_return fail(ErrorKind::unavailable, "this server stands by, and the one that leads cannot be asked: " +
                                               stream.error().message);
  }
  co_return std::move(*stream);
}

}  // namespace smaster::server
