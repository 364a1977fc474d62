// Reloads settings, certificate and keys at run time; handles signals.
#include "server/process/server.hpp"

#include <spdlog/spdlog.h>

#include <utility>

#include "log/log.hpp"
#include "net/certificate.hpp"
#include "net/stream.hpp"
#include "server/keys/key_files.hpp"
#include "settings/containment.hpp"

namespace smaster::server {
namespace {

/// Records each changed setting; returns the number of those that take effect.
std::size_t say_changes(Events& events, const std::vector<SettingText>& before,
                        const std::vector<SettingText>& wanted, const std::vector<SettingText>& taken) {
  std::size_t changes = 0;
  for (std::size_t i = 0; i < before.size(); ++i) {
    if (wanted[i].value == before[i].value) continue;
    const auto change = before[i].secret ? before[i].key + " has changed"
                                         : before[i].key + ": " + before[i].value + " -> " + wanted[i].value;
    if (taken[i].value == wanted[i].value) {
      ++changes;
      events.record({fleet::EventKind::settings, "setting " + change});
    } else {
      spdlog::warn("setting {} takes effect with a restart, \"smaster reboot --master\"", change);
    }
  }
  return changes;
}

}  // namespace

void Server::wait_for_signals() {
  signals_.async_wait([this](boost::system::error_code error, int signal) {
    if (!error) stop(signal == SIGINT ? "interrupted" : "terminated");
  });
  wait_for_hangup();
}

void Server::wait_for_hangup() {
  hangup_.async_wait([this](boost::system::error_code error, int) {
    if (error) return;
    reload_all();
    wait_for_hangup();
  });
}

/// Sets the certificate of new connections; existing ones keep theirs.
Result<void> Server::set_tls(const Settings& settings) {
  if (settings.tls_certificate.empty()) {
    listener_.set_tls(nullptr);
    certificate_ends_.reset();
    return {};
  }
  auto tls = net::server_tls_context(settings.tls_certificate, settings.tls_key);
  if (!tls) return fail(tls.error().kind, "TLS: " + tls.error().message);
  listener_.set_tls(std::move(*tls));
  const auto certificate = net::Certificate::read(settings.tls_certificate);
  certificate_ends_ = certificate ? std::optional(certificate->ends()) : std::nullopt;
  return {};
}

/// A renewal replaces two files, one after the other. Between the two they do not match: this is logged, and
/// the second change loads both.
void Server::reload_certificate() {
  if (const auto tls = set_tls(wiring_.settings); !tls) {
    spdlog::warn("{}; the old certificate stays", tls.error().message);
  } else {
    spdlog::info("the TLS certificate was read again");
  }
}

/// Reloads all that can be reloaded.
void Server::reload_all() {
  reload();
  if (!wiring_.settings.tls_certificate.empty()) reload_certificate();
  discord_.settings_changed();
  reload_keys_soon();
}

void Server::reload() {
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
  auto& now = wiring_.settings;
  fresh->address = now.address;
  fresh->port = now.port;
  fresh->path = now.path;
  fresh->state_dir = now.state_dir;
  fresh->control_socket = now.control_socket;
  fresh->control_group = now.control_group;
  fresh->max_payload = now.max_payload;
  fresh->dashboard.address = now.dashboard.address;
  fresh->dashboard.port = now.dashboard.port;
  const auto changes = say_changes(wiring_.events, describe(now), wanted, describe(*fresh));
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
  if (leads_ || !candidacy_) wiring_.settings_changed();  // otherwise applied when it leads
  discord_.settings_changed();
  watch_files();
  spdlog::info("settings reloaded, the goal is {} shards", wiring_.directory.goal().value);
}

void Server::reload_keys_soon() {
  const auto reload = [](Server& server) -> net::Task<> { (void)co_await server.reload_keys(); };
  wiring_.tasks.spawn("reload the keys", reload(*this));
}

/// In a pool of one thread, since parsing a key takes milliseconds: of two reloads the later one wins.
net::Task<Result<void>> Server::reload_keys() {
  const auto folder = wiring_.settings.state_dir;
  auto signer =
      co_await net::run_in(wiring_.rendering, [&folder] { return read_keys(folder / kPrivateKeyFile); });
  if (!signer) {
    spdlog::error("{}; the old keys stay", signer.error().message);
    co_return signer.error();
  }
  if (signer->public_pem() == wiring_.proof.public_pem()) co_return Result<void>();
  wiring_.proof.set(std::move(*signer));
  const auto present = wiring_.proof.signer();
  const auto written = co_await net::run_in(
      wiring_.rendering, [&folder, &present] { return write_public_key(folder, *present); });
  if (!written) spdlog::error("{}", written.error().message);
  // Last: who reads this may read the public key's file at once.
  wiring_.events.record(
      {fleet::EventKind::keys,
       "the master's key pair has changed: shards whose configs have the old one will refuse this master"});
  co_return Result<void>();
}

void Server::name_kept_files() {
  for (const auto& note : project_dir_notes(wiring_.settings, config_)) spdlog::warn("{}", note);
}

void Server::watch_files() {
  const auto& settings = wiring_.settings;
  std::vector<std::filesystem::path> files{settings.state_dir / kPrivateKeyFile};
  if (!config_.empty()) files.push_back(config_);
  for (const auto& file : {settings.token_file, settings.tls_certificate, settings.tls_key}) {
    if (!file.empty()) files.push_back(file);
  }
  watch_.watch(files);
}

void Server::file_changed(const std::filesystem::path& file) {
  if (file == config_) reload();
  if (file == wiring_.settings.token_file) {
    spdlog::info("the token file {} has changed", file.string());
    discord_.settings_changed();
  }
  if (file == wiring_.settings.state_dir / kPrivateKeyFile) reload_keys_soon();
  if (file == wiring_.settings.tls_certificate || file == wiring_.settings.tls_key) reload_certificate();
}

}  // namespace smaster::server
