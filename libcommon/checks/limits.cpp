// Checks of the limits that a process has, besides descriptors.
#include <sys/resource.h>

#include <algorithm>

#include "base/file.hpp"
#include "base/text.hpp"
#include "checks/machine.hpp"

namespace smaster::checks {
namespace {

/// A number in a file of a control group; nullopt for "max" or no file.
std::optional<std::uint64_t> group_number(const std::filesystem::path& file) {
  const auto text = read_file(file);
  return text ? parse_int<std::uint64_t>(trim(*text)) : std::nullopt;
}

/// The memory of a control group that the kernel can take back: copies of files, in bytes.
std::uint64_t cached_files(const std::filesystem::path& group) {
  constexpr std::string_view kFile = "file ";
  const auto text = read_file(group / "memory.stat");
  if (!text) return 0;
  for (const auto line : split(*text, '\n')) {
    if (line.starts_with(kFile)) return parse_int<std::uint64_t>(line.substr(kFile.size())).value_or(0);
  }
  return 0;
}

void check_use(Check& check, const std::filesystem::path& group, const char* kind, const char* what,
               const char* setting) {
  const auto most = group_number(group / (std::string(kind) + ".max"));
  const auto used = group_number(group / (std::string(kind) + ".current"));
  if (!most || !used) return;
  const auto freeable = kind == std::string_view("memory") ? cached_files(group) : 0;
  if (*used - std::min(*used, freeable) < *most - *most / 10) return;
  check.warn(
      std::string("more than nine tenths of the ") + what +
          " that the server's control group may have are used",
      std::string("raise ") + setting + " in the unit (systemctl edit smaster), or the container's limit");
}

}  // namespace

Finding check_limits(const std::filesystem::path& group) {
  Check check("limits");
  rlimit size{};
  if (::getrlimit(RLIMIT_FSIZE, &size) == 0 && size.rlim_cur != RLIM_INFINITY) {
    check.warn("files may have at most " + std::to_string(size.rlim_cur) + " bytes, also the store",
               "remove LimitFSIZE= from the unit, or ulimit -f unlimited");
  }
  if (!group.empty()) {
    check_use(check, group, "memory", "memory", "MemoryMax=");
    check_use(check, group, "pids", "processes", "TasksMax=");
  }
  return check.finding("memory, processes and file sizes are not near their limits");
}

std::filesystem::path own_group() {
  constexpr std::string_view kUnified = "0::/";  // man cgroups: version 2
  const auto text = read_file("/proc/self/cgroup");
  if (!text || !text->starts_with(kUnified)) return {};
  const auto path = std::string_view(*text).substr(kUnified.size());
  return std::filesystem::path("/sys/fs/cgroup") / path.substr(0, path.find('\n'));
}

}  // namespace smaster::checks
