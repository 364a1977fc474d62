// Checks of the settings.
#include <unistd.h>

#include <cstdlib>
#include <utility>

#include "base/file.hpp"
#include "base/text.hpp"
#include "checks/machine.hpp"
#include "net/address.hpp"
#include "settings/containment.hpp"

namespace smaster::checks {
namespace {

namespace fs = std::filesystem;

/// True if `program` can be run: a path, or a name that is found in PATH.
bool can_run(const std::string& program) {
  const auto executable = [](const fs::path& path) {
    std::error_code ignored;
    return fs::is_regular_file(path, ignored) && ::access(path.c_str(), X_OK) == 0;
  };
  if (program.find('/') != std::string::npos) return executable(program);
  const char* const path = std::getenv("PATH");  // NOLINT(concurrency-mt-unsafe): nothing sets it
  if (path == nullptr) return false;
  for (const auto folder : split(path, ':')) {
    if (executable(fs::path(folder) / program)) return true;
  }
  return false;
}

/// True for a network of all addresses.
bool is_everybody(const std::string& network) { return network.ends_with("/0"); }

}  // namespace

Result<server::Settings> read_settings(const fs::path& file, server::Settings defaults) {
  const auto text = read_file(file);
  if (!text) return fail(ErrorKind::bad_config, text.error().message);
  auto settings = server::parse_settings(*text, file.string(), std::move(defaults));
  if (!settings) return settings;
  if (const auto files = server::check_files(*settings); !files) {
    return fail(files.error().kind, file.string() + ": " + files.error().message);
  }
  return settings;
}

Finding check_settings_file(const fs::path& file) {
  Check check("settings");
  if (file.empty()) return check.finding("no file: defaults, and the flags of smaster serve");
  if (const auto settings = read_settings(file, {}); !settings) {
    check.fail(settings.error().message + " (a running server keeps its old settings)",
               "correct it, then smaster config check " + file.string());
  }
  return check.finding(file.string() + " can be used");
}

Finding check_network(const server::Settings& settings) {
  Check check("network");
  const bool open = !net::is_loopback(settings.address);
  for (const auto& proxy : settings.trusted_proxies) {
    if (!is_everybody(proxy)) continue;
    check.fail("server.trusted_proxies has " + proxy + ": anybody may claim any address",
               "name only the addresses of your proxies");
  }
  if (open && settings.tls_certificate.empty() && settings.trusted_proxies.empty()) {
    check.warn("server.address = \"" + settings.address +
                   "\" without TLS: evals and files cross the network in clear",
               "set server.tls_certificate and tls_key, or let a proxy do TLS and name it in "
               "server.trusted_proxies");
  }
  if (open && (settings.remote_host.host == "localhost" || net::is_loopback(settings.remote_host.host))) {
    check.warn("remote_host.host = \"" + settings.remote_host.host +
                   "\": configs for other hosts lead to these hosts themselves",
               "set remote_host.host to this machine's name, and make new configs");
  }
  return check.finding("shards connect to " + std::string(settings.protocol()) + "//" +
                       settings.remote_host.host);
}

Finding check_times(const server::Settings& settings) {
  Check check("times");
  const auto text = [](Millis time) { return format_duration(time); };
  if (2 * settings.interval > settings.request_reboot_after) {
    check.warn("heartbeat.interval = " + text(settings.interval) + " with heartbeat.request_reboot_after = " +
                   text(settings.request_reboot_after) + ": one lost status restarts a healthy bot",
               "make heartbeat.interval at most half of request_reboot_after");
  }
  if (settings.request_reboot_after >= settings.expect_reboot_after ||
      settings.expect_reboot_after >= settings.assume_dead_after) {
    check.warn(
        "heartbeat.request_reboot_after, expect_reboot_after and assume_dead_after do not follow each "
        "other: " +
            text(settings.request_reboot_after) + ", " + text(settings.expect_reboot_after) + ", " +
            text(settings.assume_dead_after),
        "let each be longer than the one before, such as 2m, 3m and 5m");
  }
  if (settings.timestamp_precision > std::chrono::hours(1)) {
    check.warn("shards.timestamp_precision = " + text(settings.timestamp_precision) +
                   ": a stolen header can be used for that long",
               "set the hosts' clocks by NTP, and remove the setting");
  }
  return check.finding("heartbeats and timeouts fit together");
}

Finding check_programs(const server::Settings& settings) {
  Check check("programs");
  std::string names;
  const auto look = [&](const char* setting, const std::string& program) {
    names += (names.empty() ? "" : ", ") + program;
    if (can_run(program)) return;
    check.fail(std::string(setting) + ": there is no program " + program + " that can be run",
               "install it, or correct " + std::string(setting));
  };
  if (settings.mail_enabled) look("mail.command", settings.mail_command);
  if (!settings.update_command.empty()) look("update.command", settings.update_command.front());
  if (!settings.alerts.command.empty()) look("alerts.command", settings.alerts.command.front());
  return names.empty() ? check.skipped("no settings name a program") : check.finding(names + " can be run");
}

Finding check_project(const server::Settings& settings, const fs::path& file) {
  Check check("project");
  if (settings.project_dir.empty()) return check.skipped("no project_dir: shards have no files here");
  if (const auto good = server::check_project_dir(settings); !good) {
    check.fail(good.error().message, "give shards a folder of their own");
  }
  std::error_code ignored;
  if (!fs::is_directory(settings.project_dir, ignored)) {
    check.fail("server.project_dir " + settings.project_dir.string() + " is no folder",
               "make it, owned by the server's user");
  }
  for (const auto& note : server::project_dir_notes(settings, file)) {
    check.warn(note, "move such files elsewhere, and name what shards need in [permissions] writable");
  }
  return check.finding(settings.project_dir.string() + " has nothing that shards should not change");
}

std::vector<Finding> check_machine(const server::Settings& settings, const fs::path& file, Time now) {
  return {check_settings_file(file),    check_permissions(settings, file),
          check_disk(settings),         check_certificates(settings, now),
          check_token_file(settings),   check_network(settings),
          check_times(settings),        check_programs(settings),
          check_project(settings, file)};
}

}  // namespace smaster::checks
