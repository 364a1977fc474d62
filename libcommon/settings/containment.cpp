#include "settings/containment.hpp"

#include <algorithm>
#include <cctype>
#include <cstdlib>

#include "base/file.hpp"
#include "base/text.hpp"

namespace smaster::server {
namespace {

namespace fs = std::filesystem;

std::string variable(const char* name) {
  const char* const value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nothing sets it
  return value == nullptr ? "" : value;
}

/// The words of an argument that may name files: a script may be in a text for a shell, or after an option.
std::vector<std::string> words(const std::string& argument) {
  std::vector<std::string> found(1);
  for (const char c : argument) {
    if (std::string_view(" \t\n;&|()<>\"'`=,:").find(c) == std::string_view::npos) {
      found.back() += c;
    } else if (!found.back().empty()) {
      found.emplace_back();
    }
  }
  return found;
}

/// Adds a program and the files among its arguments, as they are found from `folder`. They need not exist,
/// since a shard could create them. Folders are left out: they may be the program's data.
void add_program(const std::vector<std::string>& command, const fs::path& folder, const std::string& what,
                 std::vector<files::Kept>& kept) {
  if (command.empty()) return;
  std::error_code ignored;
  const auto add = [&](const fs::path& path) {
    if (!fs::is_directory(path, ignored)) kept.push_back({path, what, true});
  };
  if (command.front().find('/') == std::string::npos) {
    const auto path = variable("PATH");
    for (const auto place : split(path, ':')) add(folder / place / command.front());
  }
  for (const auto& argument : command) {
    for (const auto& word : words(argument)) {
      if (!word.empty()) add(folder / word);
    }
  }
}

/// The value of a line of git's settings, such as `hooksPath = .githooks`, and whether it names a folder of
/// hooks.
void add_git_setting(const std::string& line, const fs::path& project, std::vector<files::Kept>& kept) {
  const auto equals = line.find('=');
  if (equals == std::string::npos) return;
  auto key = std::string(trim(std::string_view(line).substr(0, equals)));
  std::transform(key.begin(), key.end(), key.begin(), [](unsigned char c) { return std::tolower(c); });
  auto value = std::string(trim(std::string_view(line).substr(equals + 1)));
  if (key == "hookspath") {
    std::erase(value, '"');
    kept.push_back({project / value, "git's core.hooksPath", true});
  } else {
    add_program({value}, project, "what git's settings name", kept);
  }
}

/// The programs that git's settings name (hooks, filters, a file system monitor): an update runs git.
void add_git_settings(const fs::path& project, std::vector<files::Kept>& kept) {
  constexpr std::size_t kMost = 65'536;
  auto folder = project / ".git";
  // `.git` may be a file: "gitdir: PATH".
  constexpr std::string_view kPointer = "gitdir:";
  if (const auto pointer = read_file(folder); pointer && pointer->starts_with(kPointer)) {
    folder = project / std::string(trim(std::string_view(*pointer).substr(kPointer.size())));
  }
  if (const auto common = read_file(folder / "commondir")) folder /= std::string(trim(*common));
  const auto settings = read_file(folder / "config");
  if (!settings || settings->size() > kMost) return;
  for (const auto line : split(*settings, '\n')) add_git_setting(std::string(line), project, kept);
}

bool below_or_same(fs::path path, const fs::path& folder) {
  std::error_code error;
  path = fs::weakly_canonical(path, error);
  while (!error) {
    if (fs::equivalent(path, folder, error) && !error) return true;
    error.clear();
    if (path == path.parent_path()) return false;
    path = path.parent_path();
  }
  return false;
}

}  // namespace

files::Guard guard_for_shards(const Settings& s, const fs::path& settings_file) {
  std::vector<files::Kept> kept;
  const auto add = [&kept](const fs::path& path, const char* what) {
    std::error_code error;
    if (!path.empty()) kept.push_back({fs::absolute(path, error), what, false});
  };
  add(settings_file, "the settings file");
  add(s.state_dir, "server.state_dir");
  add(s.control_socket, "server.control_socket");
  add(s.tls_certificate, "server.tls_certificate");
  add(s.tls_key, "server.tls_key");
  add(s.token_file, "shards.token_file");
  add(s.discord_ca_file, "discord.ca_file");
  add(s.dashboard.password_file, "dashboard.password_file");
  add(s.store.ca_file, "store.ca_file");
  add(s.store.certificate, "store.certificate");
  add(s.store.key, "store.key");
  add(s.cluster.ca_file, "cluster.ca_file");
  add(s.alerts.ca_file, "alerts.ca_file");
  constexpr std::string_view kSqlite = "sqlite:";
  if (s.database_url.starts_with(kSqlite)) {
    const auto file = s.database_url.substr(kSqlite.size());
    for (const auto* const suffix : {"", "-wal", "-shm", "-journal"}) add(file + suffix, "database.url");
  }
  std::error_code error;
  const auto project = fs::absolute(s.project_dir, error);
  add_program(s.update_command, project, "update.command", kept);
  if (!s.update_command.empty() && !s.project_dir.empty()) add_git_settings(project, kept);
  if (s.mail_enabled) {
    auto mail = s.mail_args;
    mail.insert(mail.begin(), s.mail_command);
    mail.insert(mail.end(), s.mail_fail_args.begin(), s.mail_fail_args.end());
    add_program(mail, fs::current_path(error), "mail.command", kept);
  }
  add_program(s.alerts.command, fs::current_path(error), "alerts.command", kept);
  const auto program = fs::read_symlink("/proc/self/exe", error);
  if (!error) kept.push_back({program.parent_path(), "smaster itself", true});
  std::vector<fs::path> writable;
  for (const auto& name : s.permissions.writable) writable.push_back(project / name);
  return files::Guard(std::move(kept), std::move(writable));
}

Result<void> check_project_dir(const Settings& settings) {
  if (settings.project_dir.empty()) return {};
  const auto bad = [&](const std::string& why) {
    return fail(ErrorKind::bad_config,
                "server.project_dir, " + settings.project_dir.string() + ", " + why +
                    ": shards may read and write what is in it; give it a folder of its own");
  };
  std::error_code error;
  if (fs::equivalent(settings.project_dir, settings.state_dir, error))
    return bad("is server.state_dir as well");
  if (below_or_same("/", settings.project_dir)) return bad("is the whole file system");
  if (const auto home = variable("HOME"); !home.empty() && below_or_same(home, settings.project_dir))
    return bad("has this user's home folder in it");
  return {};
}

std::vector<std::string> project_dir_notes(const Settings& settings, const fs::path& settings_file) {
  std::vector<std::string> notes;
  if (settings.project_dir.empty() || !settings.permissions.files) return notes;
  std::string inside;
  for (const auto& what : guard_for_shards(settings, settings_file).below(settings.project_dir))
    inside += (inside.empty() ? "" : ", ") + what;
  if (!inside.empty()) notes.push_back("kept from shards, though in server.project_dir: " + inside);
  if (!settings.update_command.empty() && settings.permissions.writable.empty()) {
    notes.push_back(
        "update.command runs in server.project_dir, where shards may write files that it may run in turn; "
        "name the "
        "folders that they need in [permissions] writable");
  }
  return notes;
}

}  // namespace smaster::server
