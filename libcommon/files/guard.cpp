#include "files/guard.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/fd.hpp"
#include "base/text.hpp"

namespace smaster::files {
namespace {

constexpr int kMostLinks = 40;  // the kernel's own limit
constexpr std::string_view kGit = ".git";

struct Identity {
  dev_t device = 0;
  ino_t inode = 0;
  bool operator==(const Identity&) const = default;
};

std::optional<Identity> identity(int folder, const char* name, int flags = AT_SYMLINK_NOFOLLOW) {
  struct stat info {};
  if (::fstatat(folder, name, &info, flags) != 0) return std::nullopt;
  return Identity{info.st_dev, info.st_ino};
}

std::optional<Identity> identity(int fd) { return identity(fd, "", AT_EMPTY_PATH); }

/// A name in a folder, and the identity of the file there, if it exists.
struct Place {
  Identity folder;
  std::string name;
  std::optional<Identity> there;
};

/// The places that a path depends on: each link on the way, and its end or its first missing component.
std::vector<Place> places(const std::filesystem::path& path) {
  std::vector<Place> found;
  std::filesystem::path at = "/";
  std::vector<std::filesystem::path> rest(path.begin(), path.end());
  std::reverse(rest.begin(), rest.end());
  for (int links = 0; !rest.empty();) {
    const auto part = rest.back();
    rest.pop_back();
    if (part == "/") at = "/";
    if (part == "/" || part == "." || part.empty()) continue;
    if (part == "..") {
      at = at.parent_path();
      continue;
    }
    const auto here = at / part;
    const auto folder = identity(AT_FDCWD, at.c_str(), 0);
    if (!folder) break;
    struct stat info {};
    const bool exists = ::lstat(here.c_str(), &info) == 0;
    const bool link = exists && S_ISLNK(info.st_mode);
    if (!exists || link || rest.empty()) {
      found.push_back({*folder, part.string(),
                       exists ? std::optional(Identity{info.st_dev, info.st_ino}) : std::nullopt});
    }
    if (!exists || (link && ++links > kMostLinks)) break;
    if (link) {
      std::error_code error;
      const auto target = std::filesystem::read_symlink(here, error);
      if (error) break;
      const std::vector<std::filesystem::path> parts(target.begin(), target.end());
      rest.insert(rest.end(), parts.rbegin(), parts.rend());
    } else {
      at = here;
    }
  }
  return found;
}

bool same_letters(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](char x, char y) { return lower(x) == lower(y); });
}

/// True for a folder that git takes for a repository's, whatever its name: `.git` may be a file or a link
/// that leads there. Source: gitrepository-layout(5).
bool is_git_folder(int folder) {
  const auto has = [folder](const char* name) { return identity(folder, name).has_value(); };
  return has("HEAD") && ((has("objects") && has("refs")) || has("commondir"));
}

/// A file, or one of the folders above it up to the root.
struct Step {
  Identity folder;
  std::string name;  ///< set for the first step only
  std::optional<Identity> there;
  bool is_git = false;
};

std::vector<Step> steps(int root, int folder, const std::string& last) {
  std::vector<Step> all;
  const auto top = identity(root);
  Fd at(::openat(folder, ".", O_PATH | O_DIRECTORY | O_CLOEXEC));
  auto there = identity(folder, last.c_str());
  auto name = last;
  while (at) {
    const auto here = identity(at.get());
    if (!here) break;
    const auto git = identity(at.get(), kGit.data());
    all.push_back(
        {*here, name, there, same_letters(name, kGit) || (git && git == there) || is_git_folder(at.get())});
    if (here == top || (all.size() > 1 && here == all[all.size() - 2].folder)) break;
    there = here;
    name.clear();
    at = Fd(::openat(at.get(), "..", O_PATH | O_DIRECTORY | O_CLOEXEC));
  }
  return all;
}

bool matches(const Step& step, const Place& place) {
  if (step.there && step.there == place.there) return true;
  return !step.name.empty() && step.folder == place.folder && same_letters(step.name, place.name);
}

bool lead_to(const std::vector<Step>& steps, const std::filesystem::path& path) {
  const auto to = places(path);
  return std::any_of(steps.begin(), steps.end(), [&](const Step& step) {
    return std::any_of(to.begin(), to.end(), [&](const Place& place) { return matches(step, place); });
  });
}

Error kept_back(std::string_view name, const std::string& why) {
  return fail(ErrorKind::not_permitted,
              '"' + std::string(name.substr(0, 200)) + "\" is not for shards: " + why);
}

Error git_keeps(std::string_view name) { return kept_back(name, "git runs what is in .git"); }

}  // namespace

Result<void> Guard::check_name(std::string_view name) const {
  for (const auto part : smaster::split(name, '/')) {
    if (same_letters(part, kGit)) return git_keeps(name);
  }
  return {};
}

Result<void> Guard::check(int root, int folder, const std::string& last, std::string_view name,
                          Access access) const {
  if (auto good = check_name(name); !good) return good;
  // Otherwise a shard could make a folder look like git's, which nobody may write from then on.
  const bool makes_git = same_letters(last, "HEAD") || same_letters(last, "commondir");
  if (access == Access::write && makes_git)
    return kept_back(name, "with this name a folder is taken for git's");
  const auto up = steps(root, folder, last);
  if (std::any_of(up.begin(), up.end(), [](const Step& step) { return step.is_git; })) return git_keeps(name);
  for (const auto& kept : kept_) {
    if (access == Access::read && kept.readable) continue;
    if (lead_to(up, kept.path)) return kept_back(name, kept.what + " is kept from them");
  }
  const bool free =
      access == Access::read || writable_.empty() ||
      std::any_of(writable_.begin(), writable_.end(), [&](const auto& path) { return lead_to(up, path); });
  if (!free) return kept_back(name, "[permissions] writable does not have it");
  return {};
}

Result<void> Guard::check_open(int root, int file, std::string_view name) const {
  std::error_code error;
  const auto path = std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(file), error);
  const Fd folder(error ? -1 : ::open(path.parent_path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!folder) return kept_back(name, "it was moved while it was looked at; try again");
  return check(root, folder.get(), path.filename().string(), name, Access::read);
}

std::vector<std::string> Guard::below(const std::filesystem::path& folder) const {
  std::vector<std::string> found;
  const Fd root(::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  const auto top = root ? identity(root.get()) : std::nullopt;
  for (const auto& kept : kept_) {
    // Walk up the folders that exist.
    std::error_code error;
    auto path = std::filesystem::weakly_canonical(kept.path, error);
    bool inside = false;
    while (!error && path != path.parent_path() && !inside) {
      path = path.parent_path();
      inside = top && identity(AT_FDCWD, path.c_str(), 0) == top;
    }
    if (inside && std::find(found.begin(), found.end(), kept.what) == found.end()) found.push_back(kept.what);
  }
  return found;
}

}  // namespace smaster::files
