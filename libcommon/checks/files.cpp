// Checks of files and disks.
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <set>
#include <utility>

#include "base/file.hpp"
#include "base/text.hpp"
#include "checks/machine.hpp"
#include "net/certificate.hpp"
#include "net/stream.hpp"
#include "store/open.hpp"

namespace smaster::checks {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostConfigs = 10'000;
constexpr std::uint64_t kMiB = 1u << 20;
constexpr std::uint64_t kDiskFull = 64 * kMiB;  ///< the store's log alone may need this much
constexpr std::uint64_t kDiskScarce = 512 * kMiB;
constexpr std::chrono::days kRenewal{14};  ///< ACME clients renew 30 days before the end

/// The permission bits of a file; nullopt if there is none, or it cannot be seen.
std::optional<mode_t> mode_of(const fs::path& path) {
  struct stat info {};
  if (path.empty() || ::stat(path.c_str(), &info) != 0) return std::nullopt;
  return info.st_mode;
}

void check_open(Check& check, const fs::path& path, mode_t forbidden, const std::string& chmod) {
  const auto mode = mode_of(path);
  if (!mode || (*mode & forbidden) == 0) return;
  const bool changed = (*mode & forbidden & (S_IWGRP | S_IWOTH)) != 0;
  check.fail(path.string() + (changed ? " can be changed by other users" : " can be read by other users"),
             "chmod " + chmod + ' ' + path.string());
}

std::string space(std::uint64_t bytes) {
  return bytes < 10 * 1024 * kMiB ? std::to_string(bytes / kMiB) + " MiB"
                                  : std::to_string(bytes / (1024 * kMiB)) + " GiB";
}

/// Checks one file system; returns the free space in words.
std::string check_space(Check& check, const std::string& what, const fs::path& folder,
                        const struct statvfs& disk) {
  const std::uint64_t left = std::uint64_t{disk.f_bavail} * disk.f_frsize;
  const auto where = "the disk of " + what + ' ' + folder.string();
  const auto remedy = "free space there: df -h " + folder.string();
  if ((disk.f_flag & ST_RDONLY) != 0) {
    check.fail(where + " is read-only", "look for disk errors in dmesg, then mount it writable");
  } else if (left < kDiskFull) {
    check.fail(where + " has only " + space(left) + " left", remedy);
  } else if (left < kDiskScarce) {
    check.warn(where + " has only " + space(left) + " left", remedy);
  } else if (disk.f_files > 0 && disk.f_favail < disk.f_files / 100) {
    check.warn(where + " has room for only " + std::to_string(disk.f_favail) + " more files",
               "remove files there: df -i " + folder.string());
  }
  return space(left) + " left for " + what;
}

std::string days(Millis time) {
  const auto whole = std::chrono::duration_cast<std::chrono::days>(time).count();
  return std::to_string(whole) + (whole == 1 ? " day" : " days");
}

/// Checks a certificate's dates; returns them in words.
std::string check_dates(Check& check, const fs::path& path, const net::Certificate& certificate, Time now) {
  const auto renew = "renew it, the server loads the new file by itself";
  if (now >= certificate.ends()) {
    check.fail(path.string() + " has expired " + days(now - certificate.ends()) + " ago", renew);
  } else if (now < certificate.begins()) {
    check.fail(path.string() + " is not valid yet", "set this machine's clock, or wait");
  } else if (certificate.ends() - now < kRenewal) {
    check.warn(path.string() + " expires in " + days(certificate.ends() - now), renew);
  }
  return path.string() + " is valid for " + days(certificate.ends() - now);
}

/// True for a URL with a password: "scheme://user:password@host".
bool has_password(const std::string& url) {
  const auto begin = url.find("://");
  const auto at = url.rfind('@');
  return begin != std::string::npos && at != std::string::npos && url.find(':', begin + 3) < at;
}

}  // namespace

Finding check_permissions(const server::Settings& settings, const fs::path& file) {
  constexpr mode_t kAnybody = S_IRWXG | S_IRWXO;
  constexpr mode_t kStrangers = S_IRWXO | S_IWGRP;  // a group may be meant to read these
  constexpr mode_t kWriters = S_IWGRP | S_IWOTH;
  Check check("permissions");
  const auto& state = settings.state_dir;
  check_open(check, state, kAnybody, "700");
  check_open(check, state / "shardMaster.priv", kAnybody, "600");
  check_open(check, state / store::kStoreFile, kAnybody, "600");
  std::error_code ignored;
  std::size_t configs = 0;
  for (fs::directory_iterator at(state / "shards", ignored), end; !ignored && at != end;
       at.increment(ignored)) {
    if (++configs > kMostConfigs) break;
    check_open(check, at->path(), kAnybody, "600");
  }
  check_open(check, settings.token_file, kStrangers, "600");
  check_open(check, settings.dashboard.password_file, kStrangers, "600");
  check_open(check, settings.tls_key, kStrangers, "600");
  check_open(check, settings.store.key, kStrangers, "600");
  check_open(check, settings.tls_certificate, kWriters, "644");
  const bool secret = has_password(settings.database_url) || has_password(settings.store.url) ||
                      has_password(settings.history_url);
  check_open(check, file, secret ? kStrangers : kWriters, secret ? "640" : "644");
  if (check.well() && !mode_of(state)) return check.skipped("there is no " + state.string() + " yet");
  return check.finding("keys, configs and passwords are private");
}

Finding check_disk(const server::Settings& settings) {
  Check check("disk");
  std::string good;
  std::set<unsigned long> seen;
  for (const auto& [what, folder] : {std::pair{"server.state_dir", settings.state_dir},
                                     std::pair{"server.project_dir", settings.project_dir}}) {
    struct statvfs disk {};
    if (folder.empty() || ::statvfs(folder.c_str(), &disk) != 0) continue;
    if (!seen.insert(disk.f_fsid).second) continue;
    good += (good.empty() ? "" : ", ") + check_space(check, what, folder, disk);
  }
  return good.empty() ? check.skipped("there is no " + settings.state_dir.string() + " yet")
                      : check.finding(good);
}

Finding check_certificates(const server::Settings& settings, Time now) {
  Check check("certificate");
  std::string good;
  for (const auto& [path, key] : {std::pair{settings.tls_certificate, settings.tls_key},
                                  std::pair{settings.store.certificate, settings.store.key}}) {
    if (path.empty()) continue;
    const auto certificate = net::Certificate::read(path);
    if (!certificate) {
      check.fail(certificate.error().message, "put the certificate there, or correct the settings");
      continue;
    }
    good += (good.empty() ? "" : ", ") + check_dates(check, path, *certificate, now);
    if (const auto pair = net::server_tls_context(path, key); !pair) {
      check.fail(pair.error().message, "install the key that belongs to the certificate");
    }
    const auto& remote = settings.remote_host;
    const bool direct = path == settings.tls_certificate && remote.protocol != "http:" &&
                        (remote.port == 0 || remote.port == settings.port);
    if (direct && !certificate->is_for(remote.host)) {
      check.warn(path.string() + " is not valid for " + remote.host + ", the address that new configs name",
                 "set remote_host.host to a name of the certificate");
    }
  }
  return good.empty() ? check.skipped("no certificate is configured") : check.finding(good);
}

Finding check_token_file(const server::Settings& settings) {
  Check check("token");
  const auto& file = settings.token_file;
  if (file.empty() && !settings.token_env.empty()) {
    return check.finding("the server reads it from the variable " + settings.token_env);
  }
  if (file.empty()) {
    return check.skipped("none is configured: one bot logs in every 5 s, and Discord's limits are not known");
  }
  const auto text = read_file(file);
  const std::string token(text ? trim(*text) : std::string_view());
  if (!text) {
    check.fail("shards.token_file: " + text.error().message,
               "put the bot's token there, readable by the server");
  } else if (token.empty()) {
    check.fail(file.string() + " is empty", "put the bot's token there");
  } else if (token.find_first_of(" \t\n\"'") != token.npos) {
    check.fail(file.string() + " has more in it than a token, such as quotes or the word Bot",
               "leave only the token, as Discord's developer portal shows it");
  }
  return check.finding("the token is in " + file.string());
}

}  // namespace smaster::checks
